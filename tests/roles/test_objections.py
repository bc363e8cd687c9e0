from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from parties_in_memory import agreed

from pseudolink.agreement import Party
from pseudolink.clean.reader import Extract, open_extract
from pseudolink.errors import EmptyInputError, InputError, NotPermittedError
from pseudolink.roles.objections import LeftOut, Listed, leave_out, read_list
from pseudolink.schema import load_schema

SCHEMA = load_schema(Path(__file__).parents[2] / "examples/schemas/uk-programme.toml")
COUNCIL = agreed().party("council")
FAMILY = replace(COUNCIL, objections="family")

EXTRACT = pa.table(
    {
        "programme_id": ["a", " b", "c ", None, ""],
        "family_id": ["f1", "f1", "f2", "f2", ""],
        "forename": ["Siân", "Títílayọ̀", "Ann", "Lee", "Ann"],
        "surname": ["O'Neill", "Adébáyọ̀", "Jones", "Ann", "Jones"],
        "dob": ["2001-02-03", "1999-12-31", "1980-05-06", "1990-01-02", "1980-05-07"],
        "postcode": ["DH1 3NS", "", "TS18 1AB", "", "DH1 3NS"],
        "nino": ["", "QQ123456A", "AB123456C", "", ""],
        "upn": ["B801200005001", "", "", "", ""],
        "sex": ["F", "F", "F", "M", "F"],
    }
)


def chunked(table: pa.Table) -> Extract:
    """In chunks of two rows."""
    opened = open_extract(table)
    return Extract("the table", opened.columns, lambda _: opened.chunks(2))


def out(listed: Listed, party: Party = COUNCIL, family: str | None = "family_id") -> LeftOut:
    found = leave_out(chunked(EXTRACT), listed, SCHEMA, party, programme="programme_id", family=family)
    whole = leave_out(open_extract(EXTRACT), listed, SCHEMA, party, programme="programme_id", family=family)
    assert (found.out.tolist(), found.unknown) == (whole.out.tolist(), whole.unknown)
    return found


def staying(found: LeftOut) -> list[int]:
    return np.flatnonzero(found.stay(np.arange(5))).tolist()


@pytest.mark.parametrize(
    ("ids", "left", "unknown"),
    [
        ((), [0, 1, 2, 3, 4], 0),
        (("b",), [0, 2, 3, 4], 0),
        (("a", "c"), [1, 3, 4], 0),
        (("programme_id", "b", "d"), [0, 2, 3, 4], 2),
        (("A",), [0, 1, 2, 3, 4], 1),
    ],
)
def test_people_who_object_are_left_out_and_unknown_ids_are_counted(
    ids: tuple[str, ...], left: list[int], unknown: int
) -> None:
    found = out(Listed(ids))
    assert (staying(found), found.left_out, found.unknown) == (left, 5 - len(left), unknown)


@pytest.mark.parametrize(
    ("text", "left", "unknown"),
    [
        ("nino\nAB 12 34 56 C\n", [0, 1, 3, 4], 0),
        ("nino\nAB123456D\n", [0, 1, 3, 4], 0),
        ("upn\nB801200005001\n", [1, 2, 3, 4], 0),
        ("forename,surname,dob\nSian,ONEILL,03/02/2001\n", [1, 2, 3, 4], 0),
        ("forename;surname;dob\nAdebayo;Titilayo;31/12/1999\n", [0, 2, 3, 4], 0),
        ("forename,surname,dob\nAnn,Jones,1980-05-06\nAnn,Jones,1980-05-08\n", [0, 1, 3, 4], 1),
        ("\ufeffforename,surname,dob\r\nAnn,Jones,1980-05-06\r\n", [0, 1, 3, 4], 0),
        ("forename,surname\nAnn,Jones\n", [0, 1, 2, 3, 4], 1),
        ("forename,surname,dob\nAnn,,1980-05-06\n", [0, 1, 2, 3, 4], 1),
    ],
)
def test_people_are_found_by_identifiers_as_they_are_cleaned(
    tmp_path: Path, text: str, left: list[int], unknown: int
) -> None:
    """A number, or both names in any order with the date of birth; less than that means nobody."""
    path = tmp_path / "list.csv"
    path.write_bytes(text.encode())
    listed = read_list(path, SCHEMA)
    assert listed.table is not None
    found = out(listed)
    assert (staying(found), found.unknown) == (left, unknown)


def test_under_the_policy_of_families_the_family_is_left_out_and_nobody_else() -> None:
    assert staying(out(Listed(("a",)), FAMILY)) == [2, 3, 4]
    assert staying(out(Listed(("c",)), FAMILY)) == [0, 1, 4]


def test_a_row_without_a_family_is_nobodys_family() -> None:
    table = EXTRACT.set_column(0, "programme_id", pa.array(["a", "b", "c", "d", "e"]))
    table = table.set_column(1, "family_id", pa.array(["", None, "f2", "f2", " "]))
    found = leave_out(
        chunked(table), Listed(("a",)), SCHEMA, FAMILY, programme="programme_id", family="family_id"
    )
    assert staying(found) == [1, 2, 3, 4]


def test_the_policy_of_families_needs_families() -> None:
    with pytest.raises(InputError, match="family IDs"):
        out(Listed(("a",)), FAMILY, family=None)


def test_programme_ids_are_the_cohorts() -> None:
    with pytest.raises(NotPermittedError):
        leave_out(chunked(EXTRACT), Listed(("a",)), SCHEMA, COUNCIL, programme=None, family=None)


def test_an_extract_in_which_everybody_objects_is_empty() -> None:
    with pytest.raises(EmptyInputError):
        leave_out(
            chunked(EXTRACT.slice(0, 2)),
            Listed(("a", "b")),
            SCHEMA,
            COUNCIL,
            programme="programme_id",
            family=None,
        )
