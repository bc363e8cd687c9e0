"""`link --extend`: a delivery more, and people keep their IDs. Each role on its own side."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from project_on_disk import OPERATOR, RELEASER, Project, leftovers, run, sign_again

from pseudolink.agreement import load_signed
from pseudolink.errors import AgreementExpiredError
from pseudolink.files import PREFIX
from pseudolink.formats import linkmap
from pseudolink.ledger import chain
from pseudolink.roles import operator
from pseudolink.roles.extending import STATE_FILE
from pseudolink.schema import load_schema
from pseudolink.seal.package import file_digest, inspect, open_package


@pytest.fixture(scope="module")
def first(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished linkage of the council and the schools that can be extended."""
    out = tmp_path_factory.mktemp("first") / "linkage"
    done = run(*project.link(out, *packages(project, "council", "schools")), "--extendable")
    assert done.exit_code == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def without_decoys(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project under a schema without decoys: they hide from the operator who stands twice."""
    folder = tmp_path_factory.mktemp("plain") / "demo"
    shutil.copytree(project.folder, folder)
    found = Project(folder, project.result)
    before = load_schema(found.schema).digest
    text = found.schema.read_text(encoding="utf-8")
    assert "decoys = true" in text
    found.schema.write_text(text.replace("decoys = true", "decoys = false"), encoding="utf-8")
    sign_again(found, (before, load_schema(found.schema).digest))
    shutil.rmtree(found.encodings("schools").parent)
    done = run(*found.encode(found.encodings("schools").parent, "schools"))
    assert done.exit_code == 0, done.stderr
    return found


def packages(project: Project, *parties: str) -> list[Path]:
    return [project.encodings(party) for party in parties]


def map_of(project: Project, folder: Path, plain: Path) -> list[dict[str, Any]]:
    plain.unlink(missing_ok=True)
    agreed, key = load_signed(project.agreement), project.party_key(RELEASER)
    open_package(folder / "linkmap.package", plain, agreement=agreed, recipient=key, artefact="link_map")
    rows: list[dict[str, Any]] = linkmap.load(plain).to_pylist()
    return rows


def persons(rows: list[dict[str, Any]], party: str) -> dict[bytes, bytes]:
    return {row["record"]: row["person"] for row in rows if row["party"] == party}


def extended(project: Project, first: Path, out: Path, given: list[Path], *more: str) -> dict[str, Any]:
    done = run(*project.link(out, *given), "--extend", str(first), "--json", *more)
    assert done.exit_code == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def refused(project: Project, first: Path, tmp_path: Path, *given: Path, code: str, **changed: Any) -> str:
    done = run(*project.link(tmp_path / "out", *given, **changed), "--extend", str(first))
    assert done.exit_code == 1
    assert code in done.stderr
    assert not (tmp_path / "out").exists()
    return done.stderr


def table(project: Project, party: str) -> pd.DataFrame:
    return pd.read_csv(project.extract(party), dtype=str, keep_default_na=False)


def delivered(project: Project, party: str, frame: pd.DataFrame, out: Path, *more: str) -> Path:
    """A new delivery of a party, of these rows."""
    path = out.parent / f"{out.name}.csv"
    frame.to_csv(path, index=False)
    done = run(*project.encode(out, party, *more, extract=path))
    assert done.exit_code == 0, done.stderr
    return out / f"{party}.encodings.package"


def with_one_twice(project: Project, frame: pd.DataFrame, out: Path) -> Path:
    """A delivery of the council in which the sixth person stands a second time, at another address."""
    again = frame.iloc[[5]].copy()
    again["programme_id"], again["postcode"] = "second", "DH9 9ZZ"
    return delivered(project, "council", pd.concat([frame, again]), out)


def by_programme(
    project: Project, payload: Path, rows: list[dict[str, Any]], plain: Path
) -> dict[str, bytes]:
    """Programme ID -> person, as the releaser can tell."""
    import pyarrow.parquet as pq

    plain.unlink(missing_ok=True)
    agreed, key = load_signed(project.agreement), project.party_key(RELEASER)
    open_package(payload, plain, agreement=agreed, recipient=key, artefact="payload")
    person = persons(rows, "council")
    return {row["programme_id"]: person[row["record"]] for row in pq.read_table(plain).to_pylist()}


# ---------------------------------------------------------------- who keeps which ID


def test_a_party_that_is_added_leaves_every_person_id_as_it_was(
    project: Project, first: Path, tmp_path: Path
) -> None:
    said = extended(project, first, tmp_path / "out", packages(project, "work", "council", "schools"))
    before, now = (map_of(project, folder, tmp_path / "m") for folder in (first, tmp_path / "out"))
    for party in ("council", "schools"):
        assert persons(now, party) == persons(before, party)
    assert len(persons(now, "work")) == said["resolution"]["links"]["work"] > 0
    assert all("before" not in row for row in now)
    told = said["summary"]["extends"]
    people = len(persons(before, "council"))
    assert told["kept"] == told["before"] == told["now"] == people
    assert not any(told[name] for name in ("new", "ended", "merged", "split", "moved", "ambiguous"))
    assert {one["party"]: one["gained"] for one in told["parties"]} == {
        "schools": 0,
        "work": len(persons(now, "work")),
    }


def test_without_an_extension_nobody_keeps_an_id(project: Project, first: Path, tmp_path: Path) -> None:
    assert run(*project.link(tmp_path / "out", *packages(project, "council", "schools"))).exit_code == 0
    before, now = (map_of(project, folder, tmp_path / "m") for folder in (first, tmp_path / "out"))
    assert not set(persons(before, "council").values()) & set(persons(now, "council").values())
    assert not (tmp_path / "out" / STATE_FILE).exists()


def test_a_newer_delivery_of_a_party_takes_the_place_of_the_older(
    project: Project, first: Path, tmp_path: Path
) -> None:
    before = map_of(project, first, tmp_path / "m")
    frame = table(project, "schools")
    newer = delivered(project, "schools", frame.iloc[: len(frame) // 2], tmp_path / "new")
    said = extended(project, first, tmp_path / "out", [*packages(project, "council"), newer])
    now = map_of(project, tmp_path / "out", tmp_path / "m")
    assert persons(now, "council") == persons(before, "council")
    assert not set(persons(now, "schools")) & set(persons(before, "schools"))
    (change,) = said["summary"]["extends"]["parties"]
    assert change["lost"] > change["gained"]
    assert len(persons(before, "schools")) - change["lost"] + change["gained"] == len(persons(now, "schools"))


def test_people_of_a_newer_cohort_are_who_they_were(project: Project, first: Path, tmp_path: Path) -> None:
    """Some left, some came, some changed: whoever is still there has the ID from before."""
    before = map_of(project, first, tmp_path / "m")
    known = by_programme(project, project.payload("council"), before, tmp_path / "p")
    frame = table(project, "council")
    left = set(frame["programme_id"].iloc[:20])
    newer = frame.iloc[20:].copy()
    newer.loc[newer.index[:10], "postcode"] = "DH1 1AA"
    came = newer.tail(3).copy()
    came["programme_id"] = ["new1", "new2", "new3"]
    came["dob"] = ["1931-02-03", "1947-08-09", "1952-11-12"]
    came["forename"], came["surname"] = ["Olúwaṣeun", "Siân", "Gethin"], ["Adébáyọ̀", "Llywelyn", "Ap Rhys"]
    came["nino"] = came["upn"] = ""
    newer = pd.concat([newer, came], ignore_index=True).sample(frac=1, random_state=7)
    package = delivered(project, "council", newer, tmp_path / "new")
    given = [package, *packages(project, "council", "schools")]
    said = extended(project, first, tmp_path / "out", given)
    now = map_of(project, tmp_path / "out", tmp_path / "m")
    told = said["summary"]["extends"]
    people = by_programme(project, tmp_path / "new" / "council.payload.package", now, tmp_path / "p")
    stayed = set(known) - left
    same = [one for one in stayed if people[one] == known[one]]
    assert len(same) >= len(stayed) - 6, told
    for one in stayed - set(same):  # never somebody else's
        assert people[one] not in known.values()
    gone = {known[one] for one in left}
    assert not gone & set(people.values())
    assert not {people[one] for one in ("new1", "new2", "new3")} & set(known.values())
    assert told["before"] == len(known)
    assert told["now"] == len(newer)
    assert told["kept"] == len(same)
    assert told["ended"] == len(known) - len(same)


@pytest.fixture(scope="module")
def twice_and_once(
    without_decoys: Project, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path, str]:
    """Deliveries of the council with one person twice, and once; and that person's programme ID."""
    folder = tmp_path_factory.mktemp("deliveries")
    frame = table(without_decoys, "council")
    once = delivered(without_decoys, "council", frame, folder / "once")
    twice = with_one_twice(without_decoys, frame, folder / "twice")
    return twice, once, frame["programme_id"].iloc[5]


def changed(project: Project, older: Path, newer: Path, tmp_path: Path) -> Any:
    """A linkage with one delivery of the council, extended by another: who, who before, rows, counts."""
    schools = project.encodings("schools")
    done = run(*project.link(tmp_path / "first", older, schools), "--extendable")
    assert done.exit_code == 0, done.stderr
    said = extended(project, tmp_path / "first", tmp_path / "out", [older, newer, schools])
    before, now = (map_of(project, tmp_path / name, tmp_path / "m") for name in ("first", "out"))
    payloads = [one.parent / "council.payload.package" for one in (older, newer)]
    known, people = (
        by_programme(project, payload, rows, tmp_path / "p")
        for payload, rows in zip(payloads, (before, now), strict=True)
    )
    return known, people, now, said["summary"]["extends"]


def test_records_of_the_cohort_that_became_one_are_told_as_merged(
    without_decoys: Project, twice_and_once: tuple[Path, Path, str], tmp_path: Path
) -> None:
    """The council had a person twice, and has found out."""
    twice, _, one = twice_and_once
    # Delivered after the other: an earlier delivery would be refused as a replay.
    once = delivered(without_decoys, "council", table(without_decoys, "council"), twice.parents[1] / "later")
    known, people, now, told = changed(without_decoys, twice, once, tmp_path)
    assert people[one] == known[one]
    assert (told["merged"], told["ended"], told["new"]) == (1, 1, 0)
    (row,) = [row for row in now if row["party"] == "council" and row.get("before")]
    assert (row["person"], row["before"]) == (known[one], [known["second"]])
    schools = without_decoys.payload("schools")
    payloads = [once.parent / "council.payload.package", schools]
    arguments = without_decoys.release(tmp_path / "release", tmp_path / "out" / "linkmap.package", *payloads)
    done = run(*arguments, "--accept")
    assert done.exit_code == 0, done.stderr
    assert "before" not in (tmp_path / "release" / "release.csv").read_text(encoding="utf-8").split("\n")[0]


def test_a_record_of_the_cohort_that_became_two_is_told_as_split(
    without_decoys: Project, twice_and_once: tuple[Path, Path, str], tmp_path: Path
) -> None:
    twice, once, one = twice_and_once
    known, people, now, told = changed(without_decoys, once, twice, tmp_path)
    assert people[one] == known[one]
    assert people["second"] not in known.values()
    assert (told["split"], told["new"], told["ended"]) == (1, 1, 0)
    (row,) = [row for row in now if row["party"] == "council" and row.get("before")]
    assert (row["person"], row["before"]) == (people["second"], [known[one]])


def test_a_do_not_link_list_holds_against_the_delivery_before(
    project: Project, first: Path, tmp_path: Path
) -> None:
    """An adopted child's person ID is new: the old one would join what the list keeps apart."""
    before = map_of(project, first, tmp_path / "m")
    known = by_programme(project, project.payload("council"), before, tmp_path / "p")
    frame = table(project, "council")
    frame = frame[frame["programme_id"].isin(list(known))]
    a, b = frame["programme_id"].iloc[[3, 9]]
    (tmp_path / "list.csv").write_text(f"{a},{b}\n", encoding="utf-8")
    newer = delivered(
        project, "council", frame, tmp_path / "new", "--do-not-link", str(tmp_path / "list.csv")
    )
    said = extended(project, first, tmp_path / "out", [newer, *packages(project, "council", "schools")])
    now = map_of(project, tmp_path / "out", tmp_path / "m")
    people = by_programme(project, tmp_path / "new" / "council.payload.package", now, tmp_path / "p")
    assert {one for one in people if people[one] != known[one]} == {a, b}
    assert not {people[a], people[b]} & set(known.values())
    assert not any(row.get("before") for row in now if row["party"] == "council")
    assert said["summary"]["extends"]["kept"] == len(known) - 2


def test_an_extension_can_be_extended(project: Project, first: Path, tmp_path: Path) -> None:
    given = packages(project, "council", "schools", "work")
    extended(project, first, tmp_path / "second", given, "--extendable")
    given = packages(project, "council", "schools", "work", "offending")
    extended(project, tmp_path / "second", tmp_path / "third", given, "--every-pair")
    before, now = (map_of(project, folder, tmp_path / "m") for folder in (first, tmp_path / "third"))
    assert persons(now, "council") == persons(before, "council")


def test_the_receipt_names_the_state_and_what_became_of_the_people(
    project: Project, first: Path, tmp_path: Path
) -> None:
    extended(project, first, tmp_path / "out", packages(project, "council", "schools"), "--extendable")
    publics = {p.id: p.signing_key for p in load_signed(project.agreement).parties}
    details = chain.verify(tmp_path / "ledger.jsonl", publics)[-1].details
    assert details["extends"]["state"] == file_digest(first / STATE_FILE)
    assert details["extends"]["kept"] > 0
    assert details["state"] == file_digest(tmp_path / "out" / STATE_FILE)
    manifest = inspect(tmp_path / "out" / "linkmap.package", load_signed(project.agreement))
    assert manifest.statistics["extends"]["kept"] == details["extends"]["kept"]


def test_a_killed_extension_gives_the_same_people_when_it_is_run_again(
    project: Project, first: Path, tmp_path: Path
) -> None:
    arguments = [
        *project.link(tmp_path / "out", *packages(project, "council", "schools", "work")),
        "--extend",
        str(first),
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "pseudolink.cli.main", *arguments], stderr=subprocess.DEVNULL
    )
    while process.poll() is None and not list(tmp_path.glob(f"{PREFIX}*/opened/2.parquet")):
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=60)
    assert process.returncode == -signal.SIGKILL, "the run was over before it could be killed"
    assert run(*arguments).exit_code == 0
    assert leftovers(tmp_path) == ["out"]
    before, now = (map_of(project, folder, tmp_path / "m") for folder in (first, tmp_path / "out"))
    assert persons(now, "council") == persons(before, "council")


# ---------------------------------------------------------------- what is refused


def test_a_linkage_without_a_state_cannot_be_extended(project: Project, tmp_path: Path) -> None:
    (tmp_path / "linkage").mkdir()
    said = refused(
        project, tmp_path / "linkage", tmp_path, *packages(project, "council", "work"), code="PL-LINK-01"
    )
    assert "--extendable" in said


def test_a_party_of_the_linkage_before_is_not_left_out_unnoticed(
    project: Project, first: Path, tmp_path: Path
) -> None:
    said = refused(project, first, tmp_path, *packages(project, "council", "work"), code="PL-LINK-02")
    assert "schools" in said


def test_a_newer_cohort_without_the_older_is_refused(project: Project, first: Path, tmp_path: Path) -> None:
    newer = delivered(project, "council", table(project, "council"), tmp_path / "new")
    given = [newer, *packages(project, "schools")]
    said = refused(project, first, tmp_path, *given, code="PL-LINK-02")
    assert "council" in said


def test_two_newer_deliveries_of_a_party_are_refused(project: Project, first: Path, tmp_path: Path) -> None:
    newer = [delivered(project, "schools", table(project, "schools"), tmp_path / f"n{n}") for n in range(2)]
    refused(project, first, tmp_path, *packages(project, "council"), *newer, code="PL-LINK-02")


@pytest.mark.parametrize("what", ["cut", "flipped", "link map"])
def test_a_state_that_is_damaged_or_none_is_refused(
    project: Project, first: Path, tmp_path: Path, what: str
) -> None:
    folder = tmp_path / "linkage"
    shutil.copytree(first, folder)
    whole = bytearray((folder / STATE_FILE).read_bytes())
    if what == "flipped":
        whole[-40] ^= 1
    content = {"cut": whole[:-1], "flipped": whole, "link map": (first / "linkmap.package").read_bytes()}[
        what
    ]
    (folder / STATE_FILE).write_bytes(content)
    code = {"cut": "PL-SEAL-01", "flipped": "PL-SEAL-02", "link map": "PL-AGREE-05"}[what]
    refused(project, folder, tmp_path, *packages(project, "council", "schools"), code=code)


def test_the_state_of_another_agreement_is_refused(first: Path, copied: Project, tmp_path: Path) -> None:
    sign_again(copied, ("objections = ", "objections = "), ('project = "', 'project = "other '))
    for party in ("council", "schools"):
        assert run(*copied.encode(tmp_path / party, party)).exit_code == 0
    given = [tmp_path / party / f"{party}.encodings.package" for party in ("council", "schools")]
    refused(copied, first, tmp_path, *given, code="PL-AGREE-02")


def test_a_state_opens_with_the_operators_key_alone(project: Project, first: Path, tmp_path: Path) -> None:
    """And is of no use to anybody who finds the folder."""
    from pseudolink.errors import NotPermittedError

    agreed = load_signed(project.agreement)
    for party in ("council", RELEASER):
        with pytest.raises(NotPermittedError):
            open_package(
                first / STATE_FILE, tmp_path / "s", agreement=agreed, recipient=project.party_key(party),
                artefact="linkage_state",
            )  # fmt: skip
    manifest = inspect(first / STATE_FILE, agreed)
    assert manifest.recipients == (OPERATOR,)
    raw = (first / STATE_FILE).read_bytes()
    for row in map_of(project, first, tmp_path / "m"):
        assert row["record"] not in raw
        assert row["person"] not in raw
        assert row["record"].hex() not in json.dumps(dict(manifest.statistics))
    assert (first / STATE_FILE).stat().st_mode & 0o077 == 0


def test_a_state_ends_with_the_agreement(project: Project, first: Path, tmp_path: Path) -> None:
    after: date = load_signed(project.agreement).expires + timedelta(days=1)
    with pytest.raises(AgreementExpiredError):
        operator.link(
            packages(project, "council", "schools"), agreement=project.agreement, schema=project.schema,
            key=project.party_key(OPERATOR), output=tmp_path / "out", ledger=tmp_path / "ledger.jsonl",
            extend=first, today=after,
        )  # fmt: skip
    assert leftovers(tmp_path) == []


def test_a_dry_run_of_an_extension_writes_nothing(project: Project, first: Path, tmp_path: Path) -> None:
    given = packages(project, "council", "schools", "work")
    done = run(*project.link(tmp_path / "out", *given), "--extend", str(first), "--dry-run")
    assert done.exit_code == 0, done.stderr
    assert "council and work" in done.stdout
    assert leftovers(tmp_path) == []
