from __future__ import annotations

import contextlib
import json
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from parties_in_memory import (
    KEY_CHECK,
    ROLES,
    SCHEMA,
    TODAY,
    agreed,
    key_of,
    raw_agreement,
    toml,
    write_agreement,
)

from pseudolink.agreement import (
    Agreement,
    load_agreement,
    load_signed,
    parse_agreement,
    sign_agreement,
    signatures_path,
    verify_signatures,
)
from pseudolink.agreement_rules import BACK_TO_CUSTODIAN, last_day
from pseudolink.errors import (
    AgreementError,
    AgreementExpiredError,
    AgreementUnsignedError,
    NotPermittedError,
    ProblemsError,
    PseudolinkError,
    SchemaMismatchError,
    WrongKeyError,
)

VECTORS = sorted((Path(__file__).parents[1] / "specs/vectors/agreement").glob("*.json"))


def problems(raw: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(AgreementError) as caught:
        parse_agreement(raw, source="agreement.toml")
    return {problem.place: problem.message for problem in caught.value.problems}


def with_party(party_id: str, /, **changes: Any) -> dict[str, Any]:
    raw: dict[str, Any] = raw_agreement()
    for party in raw["parties"]:
        if party["id"] == party_id:
            party |= changes
    return raw


def with_recipients(**changes: Any) -> dict[str, Any]:
    raw: dict[str, Any] = raw_agreement()
    raw["recipients"] |= changes
    return raw


def test_an_agreement_is_read_as_it_stands(tmp_path: Path) -> None:
    agreement = load_agreement(write_agreement(tmp_path, sign=False))
    assert agreement.project == "families"
    assert agreement.cohort.id == "council"
    assert agreement.party("unit").role == "operator"
    assert [one.id for one in agreement.of_role("custodian")] == ["council", "schools", "police"]
    assert [one.id for one in agreement.recipients_of("link_map")] == ["vault"]
    assert agreement.key_check is None
    assert agreement.digest == agreed().digest


def test_comments_and_order_do_not_change_the_digest_and_words_do() -> None:
    text = toml(raw_agreement())
    base = parse_agreement(tomllib.loads(text)).digest
    shuffled = raw_agreement()
    shuffled["parties"].reverse()
    assert base == parse_agreement(tomllib.loads("# a note\n" + text)).digest
    assert base == parse_agreement(dict(reversed(shuffled.items()))).digest
    assert base != agreed(purpose="Another purpose.").digest
    assert base != agreed(disclosure={"smallest_count": 10}).digest
    assert base != parse_agreement(with_party("schools", attributes=["attendance"])).digest
    assert base != parse_agreement(with_recipients(release=["vault"])).digest


@pytest.mark.parametrize("artefact", ["link_map", "release"])
def test_promise_p5_a_custodian_never_receives_linked_data(artefact: str) -> None:
    found = problems(with_recipients(**{artefact: ["council"]}))
    assert found[f"recipients.{artefact}[0]"] == BACK_TO_CUSTODIAN


@pytest.mark.parametrize(
    ("artefact", "party"),
    [
        ("encodings", "council"),
        ("encodings", "vault"),
        ("encodings", "auditor"),
        ("payload", "unit"),
        ("payload", "council"),
        ("payload", "university"),
        ("link_map", "unit"),
        ("link_map", "university"),
        ("release", "unit"),
        ("release", "auditor"),
        ("release", "nobody"),
    ],
)
def test_separation_of_roles_no_party_receives_what_its_role_may_not(artefact: str, party: str) -> None:
    assert list(problems(with_recipients(**{artefact: [party]}))) == [f"recipients.{artefact}[0]"]


def test_every_problem_is_reported_at_once() -> None:
    raw = with_recipients(link_map=["police"], payload=["unit"])
    raw |= {"schema": "short", "expires": date(2031, 4, 2), "programme_ids": "as-supplied", "surprise": 1}
    raw["parties"][1]["signing_key"] = raw["parties"][0]["signing_key"]
    assert set(problems(raw)) == {
        "surprise",
        "schema",
        "expires",
        "programme_ids_reason",
        "parties[1].signing_key",
        "recipients.link_map[0]",
        "recipients.payload[0]",
    }


@pytest.mark.parametrize("key", ["signing_key", "sealing_key", "id"])
def test_two_parties_never_share_a_key_or_an_id(key: str) -> None:
    raw = raw_agreement()
    raw["parties"][2][key] = raw["parties"][1][key]
    assert "the same as parties[1]" in problems(raw)[f"parties[2].{key}"]


@pytest.mark.parametrize(
    ("name", "change", "place"),
    [
        ("council", {"cohort": False}, "parties"),
        ("schools", {"cohort": True}, "parties"),
        ("schools", {"fields": []}, "parties[1].fields"),
        ("schools", {"fields": ["dob", "dob"]}, "parties[1].fields"),
        ("schools", {"fields": ["Date of birth"]}, "parties[1].fields[0]"),
        ("schools", {"attributes": ["programme_id"]}, "parties[1].attributes[0]"),
        ("schools", {"attributes": ["record"]}, "parties[1].attributes[0]"),
        ("schools", {"name": ""}, "parties[1].name"),
        ("schools", {"name": "a\x1b[2J"}, "parties[1].name"),
        ("schools", {"role": "king"}, "parties[1].role"),
        ("schools", {"id": "Schools/.."}, "parties[1].id"),
        ("schools", {"signing_key": "AAAA"}, "parties[1].signing_key"),
        ("schools", {"sealing_key": "AAAA"}, "parties[1].sealing_key"),
        ("schools", {"secret": "x"}, "parties[1].secret"),
        ("unit", {"fields": ["dob"]}, "parties[3].fields"),
        ("unit", {"attributes": ["arm"]}, "parties[3].attributes"),
        ("unit", {"cohort": True}, "parties[3].cohort"),
        ("unit", {"role": "reviewer"}, "parties"),
        ("vault", {"role": "reviewer"}, "parties"),
    ],
)
def test_a_wrong_party_is_refused_with_its_place(name: str, change: dict[str, Any], place: str) -> None:
    assert place in problems(with_party(name, **change))


def test_two_operators_are_refused() -> None:
    assert problems(with_party("auditor", role="operator"))["parties"] == "needs exactly one operator"


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"format": "pseudolink/agreement/2"}, "format"),
        ({"project": None}, "project"),
        ({"purpose": ""}, "purpose"),
        ({"purpose": None}, "purpose"),
        ({"schema": SCHEMA.upper()}, "schema"),
        ({"starts": "2026-04-01"}, "starts"),
        ({"expires": date(2026, 4, 1)}, "expires"),
        ({"expires": date(2031, 4, 2)}, "expires"),
        ({"programme_ids": "plain"}, "programme_ids"),
        ({"programme_ids_reason": "because"}, "programme_ids_reason"),
        ({"objections": None}, "objections"),
        ({"disclosure": {"p_ratio": 0.1}}, "disclosure.p_ratio"),
        ({"parties": {}}, "parties"),
        ({"parties": [1]}, "parties[0]"),
        ({"recipients": {"encodings": ["unit"]}}, "recipients.payload"),
        ({"recipients": []}, "recipients"),
    ],
)
def test_a_wrong_term_is_refused_with_its_place(changes: dict[str, Any], place: str) -> None:
    assert place in problems(raw_agreement(**changes))


@given(st.dates(max_value=date(9990, 1, 1)))
def test_retention_is_at_most_five_years(starts: date) -> None:
    last = last_day(starts)
    assert 5 * 365 <= (last - starts).days <= 5 * 365 + 2
    assert last.year == starts.year + 5


@given(
    st.recursive(
        st.none() | st.integers() | st.text() | st.dates(),
        lambda s: st.lists(s) | st.dictionaries(st.text(), s),
    )
)
def test_anything_else_is_refused_and_never_crashes(value: Any) -> None:
    for key in raw_agreement():
        raw = raw_agreement()
        raw[key] = value
        with contextlib.suppress(AgreementError):
            parse_agreement(raw)


def test_a_file_that_is_not_toml_text_is_refused(tmp_path: Path) -> None:
    for content in (b"format = [", b"\xff\xfe", b""):
        path = tmp_path / "agreement.toml"
        path.write_bytes(content)
        with pytest.raises(AgreementError, match=r"agreement\.toml"):
            load_agreement(path)
    with pytest.raises(AgreementError):
        load_agreement(tmp_path / "missing.toml")


def test_expired_agreement() -> None:
    agreement = agreed()
    agreement.require_in_force(date(2026, 4, 1))
    agreement.require_in_force(date(2031, 3, 31))
    for day in (date(2026, 3, 31), date(2031, 4, 1)):
        with pytest.raises(AgreementExpiredError):
            agreement.require_in_force(day)


def test_another_schema_and_strangers_are_refused() -> None:
    agreement = agreed()
    agreement.require_schema(SCHEMA)
    with pytest.raises(SchemaMismatchError):
        agreement.require_schema("0" * 64)
    with pytest.raises(NotPermittedError):
        agreement.party("stranger")
    with pytest.raises(NotPermittedError):
        agreement.recipients_of("result")


# ---------------------------------------------------------------- signatures


def unsigned(path: Path) -> list[tuple[str, str]]:
    with pytest.raises(AgreementUnsignedError) as caught:
        load_signed(path, TODAY)
    return [(place, message) for place, message in caught.value.problems]


def test_an_agreement_that_all_have_signed_carries_the_check_value(tmp_path: Path) -> None:
    agreement = load_signed(write_agreement(tmp_path), TODAY)
    assert agreement.key_check == KEY_CHECK
    assert agreement.digest == agreed().digest


def test_every_missing_signature_is_listed(tmp_path: Path) -> None:
    assert [place for place, _ in unsigned(write_agreement(tmp_path, sign=False))] == list(ROLES)


def test_tampering_attack_a_word_changed_after_signing_voids_every_signature(tmp_path: Path) -> None:
    path = write_agreement(tmp_path)
    path.write_text(path.read_text().replace('release = ["university"]', 'release = ["vault"]'))
    found = unsigned(path)
    assert len([message for _, message in found if "signed another text" in message]) == len(ROLES)


def test_forgery_attack_a_signature_with_another_key_does_not_count(tmp_path: Path) -> None:
    path = write_agreement(tmp_path)
    target = signatures_path(path)
    lines = target.read_bytes().splitlines()
    swapped = [json.loads(line) for line in lines]
    swapped[0]["signature"], swapped[1]["signature"] = swapped[1]["signature"], swapped[0]["signature"]
    dumped = [json.dumps(one, sort_keys=True, separators=(",", ":")) for one in swapped]
    target.write_text("\n".join(dumped) + "\n")
    assert {place for place, _ in unsigned(path)} == {"line 1", "line 2", "council", "schools"}


def test_every_changed_byte_of_the_signatures_is_noticed(tmp_path: Path) -> None:
    path = write_agreement(tmp_path)
    target = signatures_path(path)
    data = target.read_bytes()
    for at in range(0, len(data), 13):
        target.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        assert unsigned(path)


def test_a_party_that_signs_again_replaces_its_signature(tmp_path: Path) -> None:
    path = write_agreement(tmp_path)
    sign_agreement(path, key_of("unit"), today=TODAY)
    assert len(signatures_path(path).read_bytes().splitlines()) == len(ROLES)
    load_signed(path, TODAY)


def test_a_party_in_the_file_twice_is_refused(tmp_path: Path) -> None:
    path = write_agreement(tmp_path)
    target = signatures_path(path)
    target.write_bytes(target.read_bytes() + target.read_bytes().splitlines()[0] + b"\n")
    assert any("twice" in message for _, message in unsigned(path))


@pytest.mark.parametrize("other", ["f" * 32, None])
def test_custodians_with_different_linkage_keys_are_refused(tmp_path: Path, other: str | None) -> None:
    path = write_agreement(tmp_path)
    sign_agreement(path, key_of("police"), other, today=TODAY)
    assert {place for place, _ in unsigned(path)} == {"council", "schools", "police"}


def test_without_any_check_value_there_is_none(tmp_path: Path) -> None:
    path = write_agreement(tmp_path)
    for name in ("council", "schools", "police"):
        sign_agreement(path, key_of(name), today=TODAY)
    assert load_signed(path, TODAY).key_check is None


def test_the_operator_signs_no_check_value(tmp_path: Path) -> None:
    path = write_agreement(tmp_path)
    with pytest.raises(NotPermittedError):
        sign_agreement(path, key_of("unit"), KEY_CHECK, today=TODAY)


def test_strangers_and_impostors_cannot_sign(tmp_path: Path) -> None:
    path = write_agreement(tmp_path, sign=False)
    with pytest.raises(NotPermittedError):
        sign_agreement(path, key_of("stranger"), today=TODAY)
    with pytest.raises(WrongKeyError):
        sign_agreement(path, key_of("impostor", "council"), today=TODAY)
    with pytest.raises(AgreementExpiredError):
        sign_agreement(path, key_of("council"), today=date(2032, 1, 1))
    assert not signatures_path(path).exists()


def test_signing_before_the_first_day_is_possible_and_using_is_not(tmp_path: Path) -> None:
    path = write_agreement(tmp_path)
    sign_agreement(path, key_of("unit"), today=date(2026, 1, 1))
    with pytest.raises(AgreementExpiredError):
        load_signed(path, date(2026, 1, 1))


def test_a_reviewer_still_reads_what_has_expired(tmp_path: Path) -> None:
    path = write_agreement(tmp_path)
    with pytest.raises(AgreementExpiredError):
        load_signed(path, date(2031, 4, 1))
    assert verify_signatures(path).key_check == KEY_CHECK


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_agreements_of_the_specification(path: Path, tmp_path: Path) -> None:
    vector = json.loads(path.read_text())
    base = json.loads((path.parent / "base/agreement.json").read_text())["toml"]
    file = tmp_path / "agreement.toml"
    for old, new in vector["replace"]:
        assert old in base
        base = base.replace(old, new, 1)
    file.write_text(base, encoding="utf-8")
    if vector["signatures"] is not None:
        signatures_path(file).write_text("".join(line + "\n" for line in vector["signatures"]))
    today = date.fromisoformat(vector["today"])
    if vector["expect"] == "failure":
        with pytest.raises(PseudolinkError) as caught:
            _load(file, vector["signatures"] is not None, today)
        assert vector["code"] == caught.value.code
        if isinstance(caught.value, ProblemsError):
            assert vector["places"] == [problem.place for problem in caught.value.problems]
    else:
        agreement = _load(file, vector["signatures"] is not None, today)
        assert vector["digest"] == agreement.digest
        assert vector["key_check"] == agreement.key_check


def _load(file: Path, signed: bool, today: date) -> Agreement:
    return load_signed(file, today) if signed else load_agreement(file)


def test_there_are_vectors() -> None:
    assert len(VECTORS) >= 10
