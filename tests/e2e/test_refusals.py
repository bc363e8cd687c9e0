"""What is refused: a code, a sentence, an exit status, no output, and no cell's value anywhere."""

from __future__ import annotations

import json
import random
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from project_on_disk import CUSTODIANS, OPERATOR, RELEASER, Project, leftovers, run

from pseudolink.agreement import load_agreement, load_signed, sign_agreement
from pseudolink.encode import decoys, extract
from pseudolink.errors import PseudolinkError
from pseudolink.formats.manifest import Manifest
from pseudolink.keys.linkage import LinkageKey
from pseudolink.keys.party import PartyKey
from pseudolink.roles import custodian, operator
from pseudolink.seal.package import seal

GOOD = "forename,surname,dob,postcode,offences,offence_year\n"
SECRETS = ("Quintessa", "Featherstonehaugh", "1987-06-05", "DH7 9XY", "QUINTESSA", "FEATHERSTONEHAUGH")
ROW = "Quintessa,Featherstonehaugh,1987-06-05,DH7 9XY,2,2020\n"


def refused(result, code: str, tmp_path: Path, *kept: str) -> str:
    """Check a refusal, and give what it said."""
    said = result.stdout + result.stderr
    assert result.exit_code == 1, said
    assert result.stdout == ""
    assert code in result.stderr
    assert not [s for s in SECRETS if s in said]
    assert leftovers(tmp_path) == sorted(kept)
    return result.stderr


EXTRACTS = {
    "an empty file": (b"", "PL-INPUT-02"),
    "a heading without rows": (GOOD.encode(), "PL-INPUT-02"),
    "a byte-order mark alone": (b"\xef\xbb\xbf", "PL-INPUT-02"),
    "a missing column": (GOOD.replace("surname,", "").encode() + b"a,1987-06-05,b,1,2\n", "PL-INPUT-03"),
    "a date that cannot be, in every row": ((GOOD + ROW.replace("06-05", "02-31")).encode(), "PL-CLEAN-03"),
    "rows of different length": ((GOOD + ROW + "Quintessa,Featherstonehaugh\n").encode(), "PL-INPUT-01"),
    "Windows-1252 undeclared": ((GOOD + ROW.replace("ss", "\xe9")).encode("cp1252"), "PL-INPUT-04"),
    "a quote without an end": ((GOOD + '"' + ROW).encode(), "PL-INPUT-01"),
    "bytes that are no text": (b"\x00\x01\x02\xff\xfe" * 50, "PL-INPUT"),
    "a spreadsheet": (b"PK\x03\x04" + bytes(100), "PL-INPUT-01"),
    "two columns of one name": ((GOOD.replace("offences", "surname") + ROW).encode(), "PL-INPUT-01"),
    "all values missing": ((GOOD + ",,,,,\n" * 5).encode(), None),
    "one record": ((GOOD + ROW).encode(), None),
}  # fmt: skip


@pytest.mark.parametrize("what", EXTRACTS)
def test_extracts_that_cannot_be_encoded(project: Project, tmp_path, what):
    """Or can: one record, and rows without a value, are no fault of the format."""
    data, code = EXTRACTS[what]
    (tmp_path / "extract.csv").write_bytes(data)
    result = run(*project.encode(tmp_path / "out", extract=tmp_path / "extract.csv"))
    if code is None:
        assert result.exit_code == 0, result.stderr
        return
    refused(result, code, tmp_path, "extract.csv")


def test_strict_names_rows_and_rules_and_no_values(project: Project, tmp_path):
    rows = [ROW, ROW.replace("06-05", "13-45"), ROW.replace("DH7 9XY", "QQ99 ZZZ")]
    (tmp_path / "extract.csv").write_text(GOOD + "".join(rows))
    arguments = project.encode(tmp_path / "out", "offending", "--strict", extract=tmp_path / "extract.csv")
    said = refused(run(*arguments), "PL-CLEAN-02", tmp_path, "extract.csv")
    assert "row 2, field 'dob'" in said
    assert "row 3, field 'postcode'" in said
    assert "QQ99" not in said
    assert "13-45" not in said


def test_windows_1252_is_read_when_it_is_declared(project: Project, tmp_path):
    (tmp_path / "extract.csv").write_bytes((GOOD + ROW.replace("Quintessa", "Zoë")).encode("windows-1252"))
    more = ["--encoding", "windows-1252"]
    result = run(*project.encode(tmp_path / "out", "offending", *more, extract=tmp_path / "extract.csv"))
    assert result.exit_code == 0, result.stderr


def test_a_schema_with_three_mistakes_has_all_three_named(project: Project, tmp_path):
    text = project.schema.read_text()
    text = text.replace('kind = "forename"', 'kind = "firstname"', 1).replace(
        '"dob.year_day"', '"dob.weekday"', 1
    )
    (tmp_path / "schema.toml").write_text(text.replace("company = 0.05", "company = 7", 1))
    said = refused(run("schema", "check", tmp_path / "schema.toml"), "PL-SCHEMA-01", tmp_path, "schema.toml")
    assert "3 problems" in said
    for place in ("fields.forename.kind", "passes[2].on", "floor.company"):
        assert place in said


def test_an_extract_above_the_floor_names_passes_and_advises(project: Project, tmp_path):
    """Ten people of one name, date and postcode hang together."""
    rows = [ROW] * 10 + [f"A{n}b,C{n}d,19{50 + n}-01-0{n % 9 + 1},DH{n} 1AA,1,2020\n" for n in range(10, 40)]
    (tmp_path / "extract.csv").write_text(GOOD + "".join(rows))
    said = refused(
        run(*project.encode(tmp_path / "out", extract=tmp_path / "extract.csv")),
        "PL-FLOOR-01",
        tmp_path,
        "extract.csv",
    )
    assert "pass '" in said
    assert "narrower" in said


def test_attributes_that_are_not_permitted_are_not_encoded(project: Project, tmp_path):
    arguments = project.encode(tmp_path / "out", "offending", "--attributes", "offences,postcode,surname")
    said = refused(run(*arguments), "PL-AGREE-06", tmp_path)
    assert "postcode" in said
    assert "surname" in said


def test_an_output_that_is_there_is_not_touched(project: Project, tmp_path):
    (tmp_path / "out").mkdir()
    refused(run(*project.encode(tmp_path / "out")), "PL-OUT-01", tmp_path, "out")


def test_a_wrong_passphrase_opens_no_key(project: Project, tmp_path):
    (tmp_path / "phrase").write_text("not the passphrase of anybody\n")
    (tmp_path / "phrase").chmod(0o600)
    arguments = project.encode(tmp_path / "out", **{"passphrase-file": tmp_path / "phrase"})
    refused(run(*arguments), "PL-KEY-02", tmp_path, "phrase")


@pytest.mark.usefixtures("cheap_keys")
def test_a_wrong_linkage_key_is_refused(copied: Project, tmp_path):
    """One that is not the key whose check value the custodians signed."""
    key = copied.keys("offending") / "linkage.key"
    key.unlink()
    LinkageKey.generate().save(key, copied.phrase("offending"))
    refused(run(*copied.encode(tmp_path / "out")), "PL-KEY-03", tmp_path, "copy")


@pytest.mark.usefixtures("cheap_keys")
def test_another_partys_identity_is_refused(copied: Project, tmp_path):
    """A key of the right name that the agreement does not know."""
    key = copied.keys("offending") / "offending.party.key"
    key.unlink()
    (copied.keys("offending") / "offending.party.pub").unlink()
    PartyKey.generate("offending").save(copied.keys("offending"), copied.phrase("offending"))
    refused(run(*copied.encode(tmp_path / "out")), "PL-KEY-03", tmp_path, "copy")


def test_an_agreement_that_was_changed_after_signing_is_refused(copied: Project, tmp_path):
    text = copied.agreement.read_text().replace("changes schooling", "changes anything")
    copied.agreement.write_text(text)
    refused(run(*copied.encode(tmp_path / "out")), "PL-AGREE-04", tmp_path, "copy")


def resigned(project: Project, **replaced: str) -> None:
    """Change the agreement's text and have every party sign it again."""
    text = project.agreement.read_text()
    for old, new in replaced.values():
        assert old in text
        text = text.replace(old, new)
    project.agreement.write_text(text)
    project.agreement.with_name("agreement.toml.signatures.jsonl").unlink()
    agreed = load_agreement(project.agreement)
    check = project.linkage_key().check_value(agreed.project, agreed.schema)
    for party in agreed.parties:
        own = check if party.role == "custodian" else None
        sign_agreement(project.agreement, project.party_key(party.id), own, today=agreed.starts)


@pytest.mark.parametrize("command", ["encode", "link", "release"])
def test_an_expired_agreement_is_refused_everywhere(copied: Project, tmp_path, command):
    agreed = load_signed(copied.agreement)
    past = date.today() - timedelta(days=900)
    resigned(
        copied,
        starts=(f"starts = {agreed.starts}", f"starts = {past}"),
        expires=(f"expires = {agreed.expires}", f"expires = {past + timedelta(days=800)}"),
    )
    refused(run(*getattr(copied, command)(tmp_path / "out")), "PL-AGREE-03", tmp_path, "copy")


@pytest.mark.parametrize("command", ["link", "release"])
def test_packages_made_under_another_agreement_are_refused(copied: Project, tmp_path, command):
    resigned(copied, name=('project = "demo"', 'project = "demo-two"'))
    refused(run(*getattr(copied, command)(tmp_path / "out")), "PL-AGREE-02", tmp_path, "copy")


@pytest.mark.parametrize("command", ["encode", "link"])
def test_another_schema_than_the_agreements_is_refused(copied: Project, tmp_path, command):
    text = copied.schema.read_text().replace("component = 20", "component = 19")
    copied.schema.write_text(text)
    refused(run(*getattr(copied, command)(tmp_path / "out")), "PL-SCHEMA-02", tmp_path, "copy")


def test_two_packages_of_one_party_are_not_linked(project: Project, tmp_path):
    first = project.encodings("council")
    packages = [first, project.encodings("offending"), project.encodings("offending")]
    refused(run(*project.link(tmp_path / "out", *packages)), "PL-LINK-02", tmp_path)


def test_nothing_is_linked_without_the_cohort(project: Project, tmp_path):
    packages = [project.encodings("work"), project.encodings("offending")]
    said = refused(run(*project.link(tmp_path / "out", *packages)), "PL-LINK-02", tmp_path)
    assert "council" in said


def test_a_payload_is_no_encodings_and_the_operator_opens_none(project: Project, tmp_path):
    packages = [project.encodings("council"), project.payload("offending")]
    refused(run(*project.link(tmp_path / "out", *packages)), "PL-", tmp_path)


def test_a_custodian_cannot_act_as_operator_or_releaser(project: Project, tmp_path):
    key = project.keys("council") / "council.party.key"
    phrase = project.keys("council") / "passphrase"
    link = project.link(tmp_path / "out", key=key, **{"passphrase-file": phrase})
    refused(run(*link), "PL-AGREE-05", tmp_path)


def test_a_release_needs_the_payload_of_every_party_in_the_link_map(project: Project, tmp_path):
    payloads = [project.payload(p) for p in CUSTODIANS if p != "work"]
    said = refused(run(*project.release(tmp_path / "out", None, *payloads)), "PL-RELEASE-01", tmp_path)
    assert "work" in said


def test_another_delivery_than_the_one_that_was_linked_is_refused(project: Project, tmp_path):
    result = run(*project.encode(tmp_path / "again", "offending"))
    assert result.exit_code == 0, result.stderr
    payloads = [project.payload(p) for p in CUSTODIANS if p != "offending"]
    payloads.append(tmp_path / "again" / "offending.payload.package")
    said = refused(
        run(*project.release(tmp_path / "out", None, *payloads)), "PL-RELEASE-01", tmp_path, "again"
    )
    assert "another delivery" in said


def forged(project: Project, tmp_path: Path, table: pa.Table) -> Path:
    """A payload that the custodian itself sealed, whatever its own software would have refused."""
    plain = tmp_path / "forged.parquet"
    pq.write_table(table, plain)
    agreed = load_signed(project.agreement)
    manifest = Manifest(
        artefact="payload",
        project=agreed.project,
        agreement=agreed.digest,
        schema=agreed.schema,
        key_check=agreed.key_check,
        sender="offending",
        recipients=tuple(p.id for p in agreed.recipients_of("payload")),
        purpose=agreed.purpose,
        created=date.today().isoformat(),
        expires=agreed.expires.isoformat(),
        rows=table.num_rows,
        software="another",
    )
    package = tmp_path / "forged.package"
    seal(plain, package, manifest, agreed, project.party_key("offending"))
    plain.unlink()
    return package


@pytest.mark.parametrize("column", ["surname", "programme_id"])
def test_a_payload_that_smuggles_a_column_is_not_released(project: Project, tmp_path, column):
    """The releaser checks for itself; a custodian that packs a name gets it into no release."""
    table = pa.table(
        {
            "record": pa.array([bytes(16)], pa.binary(16)),
            "offences": pa.array(["1"]),
            column: pa.array(["Featherstonehaugh"]),
        }
    )
    package = forged(project, tmp_path, table)
    payloads = [project.payload(p) for p in CUSTODIANS if p != "offending"]
    result = run(*project.release(tmp_path / "out", None, *payloads, package))
    code = "PL-AGREE-06" if column == "surname" else "PL-FORMAT-01"
    said = refused(result, code, tmp_path, "forged.package")
    assert column in said


def damaged(project: Project) -> list[tuple[str, bytes]]:
    """The offending encodings cut at every kilobyte, and with one bit flipped at 200 places."""
    whole = project.encodings("offending").read_bytes()
    rng = random.Random(20261124)
    found = [(f"cut at {at}", whole[:at]) for at in range(0, len(whole), 1024)]
    for _ in range(200):
        at, bit = rng.randrange(len(whole)), rng.randrange(8)
        changed = bytearray(whole)
        changed[at] ^= 1 << bit
        found.append((f"bit {bit} of byte {at}", bytes(changed)))
    return [*found, ("a byte more", whole + b"\0")]


def test_a_damaged_package_never_links(project: Project, tmp_path):
    """By the operator's role itself, for each of several hundred ways."""
    key = project.party_key(OPERATOR)
    package = tmp_path / "offending.package"
    every = damaged(project)
    assert len(every) > 250
    for what, data in every:
        package.write_bytes(data)
        with pytest.raises(PseudolinkError) as caught:
            operator.link(
                [package, project.encodings("council")],
                agreement=project.agreement,
                schema=project.schema,
                key=key,
                output=tmp_path / "out",
                ledger=tmp_path / "ledger.jsonl",
            )
        assert caught.value.code.startswith("PL-"), what
        assert leftovers(tmp_path) == ["offending.package"], what
    assert not (tmp_path / "ledger.jsonl").exists()


def test_errors_are_json_when_json_is_asked_for(project: Project, tmp_path):
    result = run(*project.encode(tmp_path / "out", "offending", "--json", extract=project.agreement))
    assert result.exit_code == 1
    found = json.loads(result.stderr.splitlines()[-1])["error"]
    assert found["code"].startswith("PL-")
    assert found["message"]


def test_an_error_nobody_foresaw_shows_its_place_and_no_value(project: Project, tmp_path, monkeypatch):
    def fails(*_: object, **__: object) -> None:
        raise KeyError("Featherstonehaugh")

    monkeypatch.setattr(custodian, "encode", fails)
    refused(run(*project.encode(tmp_path / "out")), "PL-GEN-99", tmp_path)


def test_no_secret_is_printed_by_any_key(project: Project):
    """Neither their representation nor their text holds a byte of them."""
    for key in (project.linkage_key(), project.party_key(RELEASER)):
        shown = repr(key) + str(key) + f"{key}"
        assert len(shown) < 400
        for name in type(key).__slots__:
            secret = getattr(key, name)
            if isinstance(secret, bytes):
                assert secret.hex() not in shown
                assert repr(secret) not in shown


def test_people_who_all_object_leave_nothing_to_encode(project: Project, tmp_path):
    table = pd.read_csv(project.extract("council"), dtype=str)
    (tmp_path / "objections.csv").write_text("\n".join(table["programme_id"]))
    arguments = project.encode(tmp_path / "out", "council", objections=tmp_path / "objections.csv")
    refused(run(*arguments), "PL-INPUT-02", tmp_path, "objections.csv")


@pytest.mark.parametrize("count", [0, 2])
def test_a_folder_with_no_or_two_linkage_keys_is_refused(copied: Project, tmp_path, count):
    """Which project's key it would be is not for software to guess."""
    keys = copied.keys("offending")
    for number in range(count):
        (keys / f"project{number}.linkage.key").write_bytes((keys / "linkage.key").read_bytes())
    (keys / "linkage.key").unlink()
    refused(run(*copied.encode(tmp_path / "out")), "PL-KEY-01", tmp_path, "copy")


@pytest.mark.parametrize("what", ["company", "component"])
def test_the_operator_measures_the_floor_for_itself(project: Project, tmp_path, monkeypatch, what):
    """Encodings above the floor are refused though their manifest says that they are below it."""
    monkeypatch.setattr(extract.Encoding, "_enforce", lambda *_: None)
    # Decoys would hide company from the operator, as they should.
    monkeypatch.setattr(decoys, "rewrite", lambda *_: None)
    # Six of one name and date: more than a small extract may have, and more than hang together.
    count = 30 if what == "component" else 6
    rows = [ROW] * count + [f"A{n}b,C{n}d,19{10 + n % 90}-01-0{n % 9 + 1},,1,2020\n" for n in range(40)]
    if what == "component":
        # Seven of another name and date, or the first would stand out and be no evidence at all.
        rows += ["Gwen,Pugh,1966-03-04,DH1 1BB,0,2019\n"] * 7
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
        rows += [
            f"{a}{b}{c}en,{c}{a}{b}son,19{10 + n % 80}-0{1 + n % 9}-1{n % 10},DH1 {n % 10}{a}{b},0,2019\n"
            for n, (a, b, c) in enumerate(
                (x, y, z) for x in letters[:8] for y in letters for z in letters[:12:3]
            )
        ]
    (tmp_path / "extract.csv").write_text(GOOD + "".join(rows))
    result = run(*project.encode(tmp_path / "sent", extract=tmp_path / "extract.csv"))
    assert result.exit_code == 0, result.stderr
    packages = [project.encodings("council"), tmp_path / "sent" / "offending.encodings.package"]
    said = refused(
        run(*project.link(tmp_path / "out", *packages)), "PL-FLOOR-01", tmp_path, "extract.csv", "sent"
    )
    assert f"{what}: " in said
