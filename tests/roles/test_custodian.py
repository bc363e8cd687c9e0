"""The custodian's role: who may encode, what is encoded, what is carried."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from project_on_disk import CUSTODIANS, OPERATOR, RELEASER, Project, leftovers, sign_again

from pseudolink.agreement import load_signed
from pseudolink.errors import (
    AgreementUnsignedError,
    AttributeNotPermittedError,
    FieldRuleError,
    InputError,
    MissingColumnsError,
    NotPermittedError,
    OutputExistsError,
    UsageError,
    WrongKeyError,
)
from pseudolink.formats import encodings as encoding_files
from pseudolink.ledger import chain
from pseudolink.roles import custodian
from pseudolink.roles.custodian import Columns, Delivered
from pseudolink.roles.encoding import Options
from pseudolink.roles.objections import read_list
from pseudolink.schema import load_schema
from pseudolink.seal.package import file_digest, inspect, open_package


def encode(project: Project, tmp_path: Path, party: str = "offending", **changed: Any) -> Delivered:
    arguments = {
        "extract": project.extract(party),
        "agreement": project.agreement,
        "schema": project.schema,
        "key": project.party_key(party),
        "linkage_key": project.linkage_key(),
        "output": tmp_path / "out",
        "ledger": tmp_path / "ledger.jsonl",
        **changed,
    }
    return custodian.encode(arguments.pop("extract"), **arguments)


def extract(project: Project, party: str) -> pd.DataFrame:
    return pd.read_csv(project.extract(party), dtype=str, keep_default_na=False)


def opened(project: Project, package: Path, artefact: str, plain: Path) -> Path:
    party = OPERATOR if artefact == "encodings" else RELEASER
    agreed = load_signed(project.agreement)
    open_package(package, plain, agreement=agreed, recipient=project.party_key(party), artefact=artefact)
    return plain


# ---------------------------------------------------------------- who may


@pytest.mark.parametrize("party", [OPERATOR, RELEASER, "university"])
def test_only_custodians_encode(project: Project, tmp_path: Path, party: str) -> None:
    with pytest.raises(NotPermittedError, match="only custodians encode"):
        encode(project, tmp_path, key=project.party_key(party))
    assert leftovers(tmp_path) == []


def test_an_agreement_without_a_signature_is_no_agreement(copied: Project, tmp_path: Path) -> None:
    signatures = copied.agreement.with_name("agreement.toml.signatures.jsonl")
    lines = signatures.read_text().splitlines(keepends=True)
    signatures.write_text("".join(line for line in lines if '"party":"university"' not in line))
    with pytest.raises(AgreementUnsignedError, match="university"):
        encode(copied, tmp_path)
    signatures.unlink()
    with pytest.raises(AgreementUnsignedError) as caught:
        encode(copied, tmp_path)
    assert len(caught.value.problems) == 7
    assert leftovers(tmp_path) == []


def test_a_linkage_key_that_nobody_signed_for_is_not_used(copied: Project, tmp_path: Path) -> None:
    sign_again(copied, check=False)
    with pytest.raises(WrongKeyError, match="have not signed a check value"):
        encode(copied, tmp_path)
    assert leftovers(tmp_path) == []


def test_nothing_is_read_when_the_output_is_there(project: Project, tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(OutputExistsError):
        encode(project, tmp_path, extract=tmp_path / "no such extract")


# ---------------------------------------------------------------- what is encoded


def test_a_delivery_tells_which_row_each_record_is(project: Project, tmp_path: Path) -> None:
    """For whoever holds the extract anyway; by the payload's attributes it can be held against."""
    found = encode(project, tmp_path)
    table = extract(project, "offending")
    held = pq.read_table(opened(project, found.payload, "payload", tmp_path / "p.parquet")).to_pylist()
    row = {bytes(record): int(n) for record, n in zip(found.records, found.source, strict=True)}
    assert {row[one["record"]] for one in held} == set(range(len(table)))
    for one in held:
        assert one["offence_year"] == (table["offence_year"][row[one["record"]]] or None)


def test_record_ids_of_both_halves_are_the_same_and_their_order_is_not(
    project: Project, tmp_path: Path
) -> None:
    """Position attack: the operator and the releaser together must need the link map."""
    found = encode(project, tmp_path, "council")
    layout = load_schema(project.schema).layout
    encodings = encoding_files.load(
        opened(project, found.encodings, "encodings", tmp_path / "e.parquet"), layout
    )
    payload = pq.read_table(opened(project, found.payload, "payload", tmp_path / "p.parquet"))
    first = list(dict.fromkeys(bytes(r) for r in encodings.records))
    second = payload.column("record").to_pylist()
    assert set(first) == set(second)
    assert first != second


def test_fields_that_the_agreement_does_not_give_a_party_are_not_encoded(
    copied: Project, tmp_path: Path
) -> None:
    """A column that happens to be in the extract is not evidence: the agreement decides."""
    plain = tmp_path / "e.parquet"
    before = encode(copied, tmp_path / "before", "work")
    assert before.counts["nino"]["valid"] > 0
    sign_again(
        copied,
        (
            '"dob", "postcode", "nino"]\nattributes = ["earnings_band"',
            '"dob"]\nattributes = ["earnings_band"',
        ),
    )
    found = encode(copied, tmp_path / "after", "work")
    assert found.counts["nino"] == found.counts["postcode"] == {"valid": 0, "filled": 0}
    schema = load_schema(copied.schema)
    loaded = encoding_files.load(opened(copied, found.encodings, "encodings", plain), schema.layout)
    for one in schema.passes:
        fields = {component.split(".")[0] for component in one.on}
        assert bool(loaded.passes[one.name].present.any()) == (not fields & {"nino", "postcode", "upn"})


def test_a_permitted_field_without_its_column_is_missed(project: Project, tmp_path: Path) -> None:
    table = extract(project, "offending").drop(columns=["dob", "postcode"])
    with pytest.raises(MissingColumnsError) as caught:
        encode(project, tmp_path, extract=table)
    assert [p.place for p in caught.value.problems] == ["field 'dob'", "field 'postcode'"]
    assert leftovers(tmp_path) == []


def test_strict_refuses_what_else_is_counted(project: Project, tmp_path: Path) -> None:
    table = extract(project, "offending")
    table.loc[2, "dob"] = "1999-02-30"
    with pytest.raises(FieldRuleError) as caught:
        encode(project, tmp_path, extract=table, options=Options(strict=True))
    assert "row 3, field 'dob'" in str(caught.value)
    assert "1999-02-30" not in str(caught.value)
    found = encode(project, tmp_path, extract=table)
    assert found.counts["dob"]["filled"] - found.counts["dob"]["valid"] == 1


@pytest.mark.parametrize("options", [Options(workers=0), Options(chunk_rows=0)])
def test_chunks_and_workers_are_counted_from_one(project: Project, tmp_path: Path, options: Options) -> None:
    with pytest.raises(UsageError):
        encode(project, tmp_path, options=options)
    assert leftovers(tmp_path) == []


# ---------------------------------------------------------------- what is carried


def test_a_payload_carries_what_the_agreement_permits_and_keys_of_the_cohort_alone(
    project: Project, tmp_path: Path
) -> None:
    for party in CUSTODIANS:
        payload = pq.read_table(
            opened(project, project.payload(party), "payload", tmp_path / f"{party}.parquet")
        )
        permitted = set(load_signed(project.agreement).party(party).attributes)
        keys = {"programme_id", "family_id"} if party == "council" else set()
        assert set(payload.column_names) == {"record"} | permitted | keys


def test_attributes_that_are_not_permitted_are_all_named(project: Project, tmp_path: Path) -> None:
    with pytest.raises(AttributeNotPermittedError) as caught:
        encode(project, tmp_path, columns=Columns(attributes=["surname", "offences", "dob"]))
    assert [p.place for p in caught.value.problems] == ["surname", "dob"]
    assert leftovers(tmp_path) == []


def test_blank_cells_of_attributes_are_missing_and_others_are_trimmed(
    project: Project, tmp_path: Path
) -> None:
    table = extract(project, "offending").head(3)
    table["offences"] = ["  ", " 7 ", ""]
    found = encode(project, tmp_path, extract=table)
    payload = pq.read_table(opened(project, found.payload, "payload", tmp_path / "p.parquet"))
    assert sorted(payload.column("offences").to_pylist(), key=str) == ["7", None, None]


def test_a_cohort_without_families_is_encoded_without_them(project: Project, tmp_path: Path) -> None:
    table = extract(project, "council").drop(columns=["family_id"])
    found = encode(project, tmp_path, "council", extract=table)
    payload = pq.read_table(opened(project, found.payload, "payload", tmp_path / "p.parquet"))
    assert "family_id" not in payload.column_names


def test_a_person_with_a_programme_id_is_needed_in_every_row(project: Project, tmp_path: Path) -> None:
    table = extract(project, "council")
    table.loc[0, "programme_id"] = None
    with pytest.raises(InputError, match="1 rows without a programme ID, first row 1"):
        encode(project, tmp_path, "council", extract=table)
    assert leftovers(tmp_path) == []


# ---------------------------------------------------------------- what is written


def test_the_receipt_names_both_packages_and_counts(project: Project, tmp_path: Path) -> None:
    found = encode(project, tmp_path, "council", objections=project.folder / "council" / "objections.csv")
    (receipt,) = chain.read(tmp_path / "ledger.jsonl")
    assert (receipt.step, receipt.party) == ("encode", "council")
    assert receipt.details["rows"] == found.rows == len(np.unique(found.source))
    assert receipt.details["objections"] == found.objections > 0
    for artefact in ("encodings", "payload"):
        assert receipt.details[artefact] == file_digest(getattr(found, artefact))


def test_the_manifest_tells_the_operator_counts_and_nothing_else(project: Project) -> None:
    manifest = inspect(project.encodings("council"), load_signed(project.agreement))
    assert set(manifest.statistics) == {"chance", "company", "coverage"}

    def leaves(value: Any) -> list[Any]:
        if isinstance(value, dict):
            return [leaf for one in value.values() for leaf in leaves(one)]
        return [leaf for one in value for leaf in leaves(one)] if isinstance(value, list | tuple) else [value]

    names = {one.name for one in load_schema(project.schema).passes}

    def passes(text: str) -> bool:  # kinds of pairs that decoys hide: sets of passes, as bits
        return re.fullmatch("[0-9a-f]{16}", text) is not None and int(text, 16) < 1 << len(names)

    for leaf in leaves(manifest.statistics):
        assert isinstance(leaf, int) or leaf in names or leaf is None or _rate(leaf) or passes(leaf), leaf
    assert dict(inspect(project.payload("council"), load_signed(project.agreement)).statistics) == {}


def _rate(text: str) -> bool:
    """A number that is written as text."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def test_nothing_but_packages_is_left_of_a_delivery(project: Project, tmp_path: Path) -> None:
    """No plain encodings and no plain payload beside them."""
    encode(project, tmp_path)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "offending.encodings.package", "offending.payload.package", "offending.records.package",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"\n \n", []),
        (b"a\nb\n", ["a", "b"]),
        (b"\xef\xbb\xbfa\r\n b \r\n", ["a", "b"]),
        ("Ynys-Môn-1\n".encode(), ["Ynys-Môn-1"]),
    ],
)
def test_objections_are_one_a_line(tmp_path: Path, data: bytes, expected: list[str]) -> None:
    path = tmp_path / "objections.txt"
    path.write_bytes(data)
    assert list(read_list(path, None).ids) == expected


def test_objections_that_are_no_text_are_refused(project: Project, tmp_path: Path) -> None:
    (tmp_path / "o").write_bytes("Ynys-Môn-1".encode("windows-1252"))
    with pytest.raises(InputError, match="cannot read o"):
        encode(project, tmp_path, "council", objections=tmp_path / "o")
    with pytest.raises(InputError, match="cannot read absent"):
        encode(project, tmp_path, "council", objections=tmp_path / "absent")
    assert leftovers(tmp_path) == ["o"]


def test_a_stream_is_sealed_as_the_same_file_would_be(project: Project, tmp_path: Path) -> None:
    """With a common value in it, for which it has to be read twice."""
    frame = extract(project, "offending")
    column = next(name for name in frame.columns if "birth" in name.lower() or "dob" in name.lower())
    frame.loc[: max(30, len(frame) // 10), column] = "1999-01-01"
    frame.to_csv(tmp_path / "extract.csv", index=False)
    found = []
    for number, source in enumerate((tmp_path / "extract.csv", pa.Table.from_pandas(frame).to_reader())):
        place = tmp_path / str(number)
        place.mkdir()
        one = encode(project, place, extract=source, options=Options(chunk_rows=100, memory=0))
        plain = opened(project, one.encodings, "encodings", place / "plain.parquet")
        assert [p.name for p in one.encodings.parent.iterdir() if p.suffix != ".package"] == []
        loaded = encoding_files.load(plain, load_schema(project.schema).layout)
        rows = {
            name: sorted(zip(columns.tokens[:, 0].tolist(), columns.present.tolist(), strict=True))
            for name, columns in loaded.passes.items()
        }
        found.append((rows, one.counts, one.company, one.rows))
    assert found[0] == found[1]
