from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from parties_in_memory import (
    KEY_CHECK,
    ROLES,
    TODAY,
    agreed,
    key_of,
    manifest_of,
    raw_agreement,
    toml,
    write_agreement,
)

from pseudolink.agreement import (
    load_agreement,
    load_signed,
    parse_agreement,
    sign_agreement,
    signatures_path,
    verify_signatures,
)
from pseudolink.errors import (
    AgreementAmendedError,
    AgreementError,
    AgreementMismatchError,
    AgreementUnsignedError,
    SchemaMismatchError,
)
from pseudolink.seal import rules


def second(**changes: Any) -> dict[str, Any]:
    """The next version of the agreement of the tests."""
    first = agreed()
    return raw_agreement(
        **{"version": 2, "amends": first.digest, "first_transfer": date(2026, 4, 1), **changes}
    )


def problems(raw: dict[str, Any]) -> set[str]:
    with pytest.raises(AgreementError) as caught:
        parse_agreement(raw)
    return {one.place for one in caught.value.problems}


@pytest.fixture
def first(tmp_path: Path) -> Path:
    return write_agreement(tmp_path)


def written(folder: Path, **changes: Any) -> Path:
    path = folder / "agreement-2.toml"
    path.write_text(toml(second(**changes)), encoding="utf-8")
    return path


def sign(path: Path, name: str, amends: Path | None, today: date = TODAY) -> None:
    check = KEY_CHECK if ROLES[name] == "custodian" else None
    sign_agreement(path, key_of(name), check, amends=amends, today=today)


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"amends": None}, "amends"),
        ({"first_transfer": None}, "first_transfer"),
        ({"amends": "the first one"}, "amends"),
        ({"first_transfer": date(2026, 4, 2)}, "first_transfer"),
        ({"version": 0}, "version"),
        ({"version": 1}, "amends"),
        ({"reviews": [date(2029, 1, 1), date(2028, 1, 1)]}, "reviews"),
        ({"reviews": [date(2032, 1, 1)]}, "reviews[0]"),
        ({"floor": None}, "floor"),
        ({"floor": {"company": "5 %", "component": 20}}, "floor.company"),
        ({"floor": {"company": "0.05", "component": 0}}, "floor.component"),
    ],
)
def test_a_term_that_is_wrong_is_named(changes: dict[str, Any], place: str) -> None:
    assert place in problems(second(**changes))


def test_retention_cannot_be_stretched_by_amending(tmp_path: Path) -> None:
    """Five years count from the first transfer, not from the start of the last version."""
    assert problems(second(starts=date(2028, 1, 1), expires=date(2031, 4, 2), reviews=[])) == {"expires"}
    parse_agreement(second(starts=date(2028, 1, 1), expires=date(2031, 4, 1), reviews=[]))


def test_the_policy_on_objections_is_a_custodians_alone() -> None:
    raw = raw_agreement()
    raw["parties"][3]["objections"] = "family"
    assert problems(raw) == {"parties[3].objections"}
    raw = raw_agreement()
    raw["parties"][1]["objections"] = "household"
    assert problems(raw) == {"parties[1].objections"}


def test_every_term_that_was_added_is_signed(first: Path) -> None:
    """Changing one changes the digest, so that no signature fits any more."""
    base = agreed().digest
    changed = [
        raw_agreement(reviews=[]),
        raw_agreement(floor={"company": "0.06", "component": 20}),
        raw_agreement(floor={"company": "0.05", "component": 21}),
        second(),
    ]
    raw = raw_agreement()
    raw["parties"][0]["objections"] = "family"
    assert len({base, *(parse_agreement(one).digest for one in [*changed, raw])}) == 6
    first.write_text(toml(raw), encoding="utf-8")
    with pytest.raises(AgreementUnsignedError):
        verify_signatures(first)


def test_an_amended_version_is_refused_from_the_first_signature(first: Path, tmp_path: Path) -> None:
    load_signed(first, TODAY)
    new = written(tmp_path)
    sign(new, "council", first)
    with pytest.raises(AgreementAmendedError):
        load_signed(first, TODAY)
    with pytest.raises(AgreementUnsignedError):
        load_signed(new, TODAY)
    for name in ROLES:
        sign(new, name, first)
    assert load_signed(new, TODAY).version == 2
    assert verify_signatures(first).version == 1  # a reviewer still reads it
    assert len(signatures_path(first).read_bytes().splitlines()) == 2 * len(ROLES)


def test_forged_amendment_line_is_nobodys_word(first: Path, tmp_path: Path) -> None:
    new = written(tmp_path)
    sign(new, "council", first)
    lines = signatures_path(first).read_bytes().splitlines()
    forged = lines[-1].replace(b'"party":"council"', b'"party":"schools"')
    signatures_path(first).write_bytes(b"\n".join([*lines[:-1], forged]) + b"\n")
    load_signed(first, TODAY)


@pytest.mark.parametrize(
    "changes",
    [
        {"purpose": "Casework."},
        {"project": "another"},
        {"version": 3},
        {"amends": "ab" * 32},
        {"first_transfer": date(2026, 3, 1)},
    ],
)
def test_what_is_no_amendment_is_not_signed(first: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    """Purpose first of all: what families were told does not change under them (P1)."""
    new = written(tmp_path, **changes)
    with pytest.raises(AgreementError):
        sign(new, "council", first)
    assert not signatures_path(new).exists()
    load_signed(first, TODAY)


def test_an_amendment_is_signed_together_with_what_it_amends(first: Path, tmp_path: Path) -> None:
    with pytest.raises(AgreementError):
        sign(written(tmp_path), "council", None)
    with pytest.raises(AgreementError):
        sign(first, "council", first)


def test_what_has_ended_cannot_be_extended(first: Path, tmp_path: Path) -> None:
    new = written(tmp_path, starts=date(2031, 4, 1), expires=date(2031, 4, 1), reviews=[])
    assert new.exists()
    new = written(tmp_path, starts=date(2031, 3, 1), expires=date(2031, 4, 1), reviews=[])
    with pytest.raises(AgreementError):
        sign(new, "council", first, today=date(2031, 4, 1))


def test_packages_of_the_earlier_version_open_under_neither(first: Path, tmp_path: Path) -> None:
    new = load_agreement(written(tmp_path))
    with pytest.raises(AgreementMismatchError) as caught:
        rules.require_agreement(manifest_of(agreed()), new)
    assert "amends" in str(caught.value)


def test_a_floor_other_than_the_signed_one_is_refused() -> None:
    agreement = agreed()
    agreement.require_schema(agreement.schema, ("0.05", 20))
    for floor in (("0.06", 20), ("0.05", 21)):
        with pytest.raises(SchemaMismatchError):
            agreement.require_schema(agreement.schema, floor)
