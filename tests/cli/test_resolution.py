"""Resolution, do-not-link lists, families and review, with every role on its own side."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from project_on_disk import CUSTODIANS, OPERATOR, RELEASER, Project, run, sign_again

from pseudolink.agreement import load_signed
from pseudolink.formats import encodings as encoding_files
from pseudolink.formats import linkmap
from pseudolink.ledger import chain
from pseudolink.schema import load_schema
from pseudolink.seal.package import inspect, open_package


def opened(project: Project, package: Path, artefact: str, plain: Path) -> Path:
    key = project.party_key(OPERATOR if artefact == "encodings" else RELEASER)
    open_package(package, plain, agreement=load_signed(project.agreement), recipient=key, artefact=artefact)
    return plain


def found(result: Any) -> dict[str, Any]:
    assert result.exit_code == 0, result.output + result.stderr
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def refused(result: Any, code: str) -> str:
    assert result.exit_code == 1
    assert code in result.stderr
    text: str = result.stderr
    return text


def extract(project: Project, party: str) -> pd.DataFrame:
    return pd.read_csv(project.extract(party), dtype=str, keep_default_na=False)


# ---------------------------------------------------------------- how links are resolved


@pytest.fixture(scope="module")
def every_pair(project: Project, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The folder of a linkage of all parties with one another, and what it said."""
    out = tmp_path_factory.mktemp("every") / "out"
    return out, found(run(*project.link(out), "--every-pair", "--json"))


def test_every_pair_of_parties_makes_people_of_clusters(
    project: Project, every_pair: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    out, said = every_pair
    assert {(p["left"], p["right"]) for p in said["summary"]["pairs"]} >= {
        ("schools", "offending"),
        ("offending", "work"),
    } or len(said["summary"]["pairs"]) == 6
    rows = linkmap.load(opened(project, out / "linkmap.package", "link_map", tmp_path / "m")).to_pylist()
    cohort = {row["person"] for row in rows if row["party"] == "council"}
    assert {row["person"] for row in rows} == cohort
    for agency in project.result.agencies:
        links = sum(row["party"] == agency.agency for row in rows)
        assert said["resolution"]["links"][agency.agency] == links
        assert abs(links - agency.links) <= 3


def test_the_releaser_is_told_nothing_of_what_other_parties_share(
    project: Project, every_pair: tuple[Path, dict[str, Any]]
) -> None:
    """Not even a number: it is about people outside the cohort."""
    manifest = inspect(every_pair[0] / "linkmap.package", load_signed(project.agreement))
    assert {pair["left"] for pair in manifest.statistics["pairs"]} == {"council"}


def test_the_receipt_says_by_what_rules_links_were_resolved(project: Project, tmp_path: Path) -> None:
    arguments = project.link(tmp_path / "out")
    assert run(*arguments, "--assignment", "optimal", "--every-pair").exit_code == 0
    publics = {p.id: p.signing_key for p in load_signed(project.agreement).parties}
    receipt = chain.verify(tmp_path / "ledger.jsonl", publics)[-1]
    assert receipt.details["rules"] == {
        "assignment": "optimal",
        "every_pair": True,
        "duplicates": [],
        "labels": 0,
        "guard": True,
    }


@pytest.mark.parametrize("party", ["council", "nobody"])
def test_duplicates_are_only_of_a_party_beside_the_cohort(
    project: Project, tmp_path: Path, party: str
) -> None:
    refused(run(*project.link(tmp_path / "out"), "--duplicates", party), "PL-USE-01")
    assert not (tmp_path / "out").exists()


def test_duplicates_are_not_looked_for_where_decoys_hide_them(project: Project, tmp_path: Path) -> None:
    """Finding none would read as if there were none."""
    said = run(*project.link(tmp_path / "out"), "--duplicates", "offending")
    refused(said, "PL-USE-01")
    assert "decoys" in said.stderr
    assert not (tmp_path / "out").exists()


def test_second_records_of_a_person_are_linked_with_the_first(copied: Project, tmp_path: Path) -> None:
    """Many to one: all records come to the release, each with its attributes, none chosen."""
    table = extract(copied, "offending")
    again = table.head(20).copy()
    again["offences"] = "99"
    pd.concat([table, again]).to_csv(copied.extract("offending"), index=False)
    # The second records keep the first ones company: such an extract needs a floor that allows it.
    schema = copied.schema.read_text(encoding="utf-8")
    before = load_schema(copied.schema).digest
    changed = schema.split("[floor]")[0] + "[floor]\ncompany = 0.9\ncomponent = 20\n"
    copied.schema.write_text(changed, encoding="utf-8")
    sign_again(copied, (before, load_schema(copied.schema).digest), ('company = "0.05"', 'company = "0.9"'))
    for party in ("council", "offending"):
        assert run(*copied.encode(tmp_path / party, party)).exit_code == 0
    packages = [tmp_path / party / f"{party}.encodings.package" for party in ("council", "offending")]
    payloads = [tmp_path / party / f"{party}.payload.package" for party in ("council", "offending")]
    said = found(run(*copied.link(tmp_path / "out", *packages), "--duplicates", "offending", "--json"))
    assert said["resolution"]["duplicates"]["offending"] >= 18
    released = run(*copied.release(tmp_path / "release", tmp_path / "out" / "linkmap.package", *payloads))
    assert released.exit_code == 0, released.stderr
    main = pq.read_table(tmp_path / "release" / "release.parquet").to_pandas()
    records = pq.read_table(tmp_path / "release" / "release.offending.parquet").to_pandas()
    assert "offending_offences" not in main.columns
    assert main["offending_records"].sum() == len(records)
    assert main["offending_linked"].sum() == (main["offending_records"] > 0).sum()
    twice = main[main["offending_records"] == 2]
    assert len(twice) >= 5
    for one in twice["programme_id"].head(5):
        assert 99 in records[records["programme_id"] == one]["offences"].tolist()
    described = json.loads((tmp_path / "release" / "release.json").read_text())
    assert described["further"]["release.offending"]["rows"] == len(records)


# ---------------------------------------------------------------- do not link


def listed(project: Project, party: str, column: str, path: Path) -> list[str]:
    ids = extract(project, party)[column]
    some = [one for one in ids if one][:4]
    path.write_text(f"{column},{column}\n{some[0]},{some[1]}\n{some[2]};{some[3]}\n", encoding="utf-8")
    return some


def test_a_do_not_link_list_reaches_operator_and_releaser_as_record_ids(
    project: Project, tmp_path: Path
) -> None:
    some = listed(project, "schools", "upn", tmp_path / "list.csv")
    more = ("--do-not-link", tmp_path / "list.csv", "--local-id", "upn", "--json")
    said = found(run(*project.encode(tmp_path / "out", "schools", *more)))
    assert said["do_not_link"] == 2
    plain = opened(project, tmp_path / "out" / "schools.encodings.package", "encodings", tmp_path / "e")
    encodings = encoding_files.load(plain, load_schema(project.schema).layout)
    assert len(encodings.apart) == 2
    for one in some:
        assert one.encode() not in plain.read_bytes()
    payload = pq.read_table(
        opened(project, tmp_path / "out" / "schools.payload.package", "payload", tmp_path / "p")
    )
    there = payload.filter(payload.column("apart").is_valid()).column("record").to_pylist()
    assert set(there) == {record for pair in encodings.apart for record in pair}


def test_a_mistyped_pair_is_refused_before_anything_is_encoded(project: Project, tmp_path: Path) -> None:
    """It would leave a child without the protection that the list is for."""
    some = listed(project, "schools", "upn", tmp_path / "list.csv")
    with (tmp_path / "list.csv").open("a", encoding="utf-8") as file:
        file.write(f"X999,{some[0]}\n{some[0]},{some[0]}\n{some[1]}\n")
    more = ("--do-not-link", tmp_path / "list.csv", "--local-id", "upn")
    said = refused(run(*project.encode(tmp_path / "out", "schools", *more)), "PL-INPUT-05")
    assert [line for line in ("line 4", "line 5", "line 6") if line in said] == ["line 4", "line 5", "line 6"]
    assert "X999" not in said
    assert some[0] not in said
    assert not (tmp_path / "out").exists()


def test_a_list_needs_to_know_what_it_names_people_by(project: Project, tmp_path: Path) -> None:
    listed(project, "schools", "upn", tmp_path / "list.csv")
    more = ("--do-not-link", tmp_path / "list.csv")
    refused(run(*project.encode(tmp_path / "out", "schools", *more)), "PL-USE-01")


def test_the_cohorts_list_names_people_by_programme_id(project: Project, tmp_path: Path) -> None:
    listed(project, "council", "programme_id", tmp_path / "list.csv")
    more = ("--do-not-link", tmp_path / "list.csv", "--json")
    assert found(run(*project.encode(tmp_path / "out", "council", *more)))["do_not_link"] == 2


def test_records_on_a_do_not_link_list_are_no_duplicates_of_one_another(
    copied: Project, tmp_path: Path
) -> None:
    """Equal in everything, and yet never joined."""
    table = extract(copied, "offending")
    again = table.head(6).copy()
    table["local"], again["local"] = [f"a{n}" for n in range(len(table))], [f"b{n}" for n in range(6)]
    pd.concat([table, again]).to_csv(copied.extract("offending"), index=False)
    (tmp_path / "list.csv").write_text("".join(f"a{n},b{n}\n" for n in range(3)), encoding="utf-8")
    schema = copied.schema.read_text(encoding="utf-8")
    before = load_schema(copied.schema).digest
    copied.schema.write_text(schema.split("[floor]")[0] + "[floor]\ncompany = 0.5\n", encoding="utf-8")
    sign_again(copied, (before, load_schema(copied.schema).digest), ('company = "0.05"', 'company = "0.5"'))
    for party in ("council", "offending"):
        more = ("--do-not-link", tmp_path / "list.csv", "--local-id", "local") if party == "offending" else ()
        assert run(*copied.encode(tmp_path / party, party, *more)).exit_code == 0
    packages = [tmp_path / party / f"{party}.encodings.package" for party in ("council", "offending")]
    said = found(run(*copied.link(tmp_path / "out", *packages), "--duplicates", "offending", "--json"))
    assert said["resolution"]["duplicates"]["offending"] == 3


# ---------------------------------------------------------------- known links


def with_another_record(project: Project) -> pd.DataFrame:
    """The offending extract with a second record of a person who is somebody else by every field."""
    table = extract(project, "offending")
    table["local"] = [f"a{n}" for n in range(len(table))]
    other = table.head(8).copy()
    other["local"] = [f"b{n}" for n in range(8)]
    other["forename"], other["surname"] = "Olúwaṣeun", [f"Adébáyọ̀{letter}" for letter in "abcdefgh"]
    other["dob"] = [f"19{30 + n}-0{n + 1}-1{n}" for n in range(8)]
    for column in {"nino", "upn", "postcode", "sex"} & set(other.columns):
        other[column] = ""
    whole = pd.concat([table, other])
    whole.to_csv(project.extract("offending"), index=False)
    return whole


def known(path: Path, *lines: str) -> tuple[object, ...]:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return ("--known-links", path, "--local-id", "local", "--json")


def test_known_links_join_records_that_share_no_token(copied: Project, tmp_path: Path) -> None:
    with_another_record(copied)
    some = known(tmp_path / "list.csv", *(f"a{n},b{n}" for n in range(8)))
    said = found(run(*copied.encode(tmp_path / "new", "offending", *some)))
    assert said["known_links"] == 8
    package = tmp_path / "new" / "offending.encodings.package"
    plain = opened(copied, package, "encodings", tmp_path / "e")
    assert b"Ad\xc3\xa9b" not in plain.read_bytes()
    together = encoding_files.load(plain, load_schema(copied.schema).layout).together
    assert len(together) == 8
    said = found(run(*copied.link(tmp_path / "out", copied.encodings("council"), package), "--json"))
    assert said["resolution"]["duplicates"] == {"offending": 8}
    sealed = tmp_path / "out" / "linkmap.package"
    assert inspect(sealed, load_signed(copied.agreement)).statistics["duplicates"] == ["offending"]
    rows = linkmap.load(opened(copied, sealed, "link_map", tmp_path / "m"), duplicates=["offending"])
    person = {row["record"]: row["person"] for row in rows.to_pylist()}
    linked = [pair for pair in together if set(pair) & set(person)]
    assert len(linked) >= 2
    assert all(person.get(a) == person.get(b) for a, b in linked)
    payload = tmp_path / "new" / "offending.payload.package"
    assert "together" not in pq.read_table(opened(copied, payload, "payload", tmp_path / "p")).column_names


def test_known_links_that_the_do_not_link_list_forbids_are_refused(copied: Project, tmp_path: Path) -> None:
    """Over others too: a is b and b is c, and yet a must never be joined with c."""
    with_another_record(copied)
    some = known(tmp_path / "list.csv", "a0,b0", "b0,a1")
    (tmp_path / "apart.csv").write_text("a0,a1\n", encoding="utf-8")
    arguments = copied.encode(tmp_path / "new", "offending", *some, "--do-not-link", tmp_path / "apart.csv")
    said = refused(run(*arguments), "PL-INPUT-07")
    assert "1 pairs" in said
    assert not (tmp_path / "new").exists()


def test_known_links_with_a_mistyped_id_are_refused(copied: Project, tmp_path: Path) -> None:
    with_another_record(copied)
    some = known(tmp_path / "list.csv", "a0,b0", "a1,X999")
    said = refused(run(*copied.encode(tmp_path / "new", "offending", *some)), "PL-INPUT-07")
    assert "line 2" in said
    assert "X999" not in said


@pytest.mark.parametrize("option", ["--known-links", "--do-not-link"])
def test_a_first_pair_that_names_nobody_is_no_heading(copied: Project, tmp_path: Path, option: str) -> None:
    """Mistyped twice: skipped as a heading, these people would lose what the list is for."""
    with_another_record(copied)
    some = ["--local-id", "local", option, tmp_path / "list.csv"]
    code = "PL-INPUT-07" if option == "--known-links" else "PL-INPUT-05"
    (tmp_path / "list.csv").write_text("X998,X999\na0,b0\n", encoding="utf-8")
    said = refused(run(*copied.encode(tmp_path / "new", "offending", *some)), code)
    assert "line 1" in said
    (tmp_path / "list.csv").write_text("one,another\na0,b0\n", encoding="utf-8")
    assert run(*copied.encode(tmp_path / "new", "offending", *some)).exit_code == 0


def test_the_cohort_has_no_known_links(project: Project, tmp_path: Path) -> None:
    some = listed(project, "council", "programme_id", tmp_path / "list.csv")
    assert len(some) == 4
    arguments = project.encode(tmp_path / "out", "council", "--known-links", tmp_path / "list.csv")
    refused(run(*arguments), "PL-AGREE-05")


# ---------------------------------------------------------------- families


HOMES = ("council", "schools")


def with_families(project: Project, tmp_path: Path, *, allowed: bool = True) -> list[Path]:
    """Schools that know households: every child of one postcode and surname, with dates."""
    table = extract(project, "schools")
    table["family_id"] = table["surname"].str.upper() + "|" + table["postcode"]
    table["family_from"], table["family_to"] = "2019-09-01", ""
    table.to_csv(project.extract("schools"), index=False)
    if allowed:
        sign_again(project, ('id = "schools"\n', 'id = "schools"\nfamilies = true\n'))
    for party in HOMES:
        done = run(*project.encode(tmp_path / party, party))
        assert done.exit_code == 0, done.stderr
    return [tmp_path / party / f"{party}.payload.package" for party in HOMES]


def test_family_links_are_made_by_the_releaser_from_links_of_people(copied: Project, tmp_path: Path) -> None:
    payloads = with_families(copied, tmp_path)
    packages = [tmp_path / party / f"{party}.encodings.package" for party in HOMES]
    assert run(*copied.link(tmp_path / "out", *packages)).exit_code == 0
    rows = linkmap.load(opened(copied, tmp_path / "out" / "linkmap.package", "link_map", tmp_path / "m"))
    assert rows.column("family").null_count == rows.num_rows  # the operator sees no family
    done = run(*copied.release(tmp_path / "release", tmp_path / "out" / "linkmap.package", *payloads))
    assert done.exit_code == 0, done.stderr
    families = pq.read_table(tmp_path / "release" / "families.parquet").to_pandas()
    main = pq.read_table(tmp_path / "release" / "release.parquet").to_pandas()
    assert len(families) > 25
    assert set(families["family_id"]) <= set(main["family_id"])
    assert (families["shared"] <= families["members"]).all()
    assert set(families["party"]) == {"schools"}
    assert (families["from"].astype(str) == "2019-09-01").all()
    text = (tmp_path / "release" / "families.csv").read_text(encoding="utf-8")
    names = extract(copied, "schools")["surname"]
    assert not any(name in text for name in names if len(name) > 3)


def test_another_partys_family_ids_leave_it_as_random_tokens(copied: Project, tmp_path: Path) -> None:
    with_families(copied, tmp_path)
    plain = opened(copied, tmp_path / "schools" / "schools.payload.package", "payload", tmp_path / "p")
    tokens = set(pq.read_table(plain).column("family_id").to_pylist()) - {None}
    assert all(len(token) == 32 and int(token, 16) >= 0 for token in tokens)
    shutil.rmtree(tmp_path / "schools")
    assert run(*copied.encode(tmp_path / "schools", "schools")).exit_code == 0
    plain = opened(copied, tmp_path / "schools" / "schools.payload.package", "payload", tmp_path / "p2")
    assert not tokens & set(pq.read_table(plain).column("family_id").to_pylist())


def test_families_that_the_agreement_does_not_permit_stay_at_home(copied: Project, tmp_path: Path) -> None:
    with_families(copied, tmp_path, allowed=False)
    plain = opened(copied, tmp_path / "schools" / "schools.payload.package", "payload", tmp_path / "p")
    assert "family_id" not in pq.read_table(plain).column_names


def test_family_links_are_released_under_disclosure_rules_without_days_and_rare_sizes(
    copied: Project, tmp_path: Path
) -> None:
    """Whatever is told of a home is told of ten families at least."""
    rules = '\n[disclosure]\nprofile = "strict"\nquasi = ["council_arm"]\n'
    copied.agreement.write_text(copied.agreement.read_text(encoding="utf-8") + rules, encoding="utf-8")
    payloads = with_families(copied, tmp_path)
    packages = [tmp_path / party / f"{party}.encodings.package" for party in HOMES]
    assert run(*copied.link(tmp_path / "out", *packages)).exit_code == 0
    arguments = copied.release(tmp_path / "release", tmp_path / "out" / "linkmap.package", *payloads)
    said = found(run(*arguments, "--accept", "--json"))
    assert (said["further"], said["withheld"]) == (["families"], [])
    links = pq.read_table(tmp_path / "release" / "families.parquet")
    assert set(links.column("from").to_pylist()) <= {"2019-09", None}
    homes: dict[tuple[object, ...], set[str]] = {}
    for row in links.to_pylist():
        family, _ = row.pop("family_id"), row.pop("party_family")
        homes.setdefault(tuple(row.values()), set()).add(family)
    assert min(map(len, homes.values())) >= 10
    assert "family_party" in said["columns"]


# ---------------------------------------------------------------- review


def test_labels_of_reviewers_are_what_the_next_linkage_holds_to(project: Project, tmp_path: Path) -> None:
    assert run(*project.link(tmp_path / "one"), "--candidates").exit_code == 0
    candidates = tmp_path / "one" / "candidates.parquet"
    table = pq.read_table(candidates)
    linked = table.filter(table.column("link")).slice(0, 3).to_pylist()
    made = run("review", "page", candidates, "--reviewer", "A", "-o", tmp_path / "page.html")
    assert made.exit_code == 0, made.stderr
    from pseudolink.formats.reviews import Head, Label, LabelFile, load_candidates

    head = Head(load_candidates(candidates).digest, "A", 100, 0)
    with LabelFile(tmp_path / "labels.jsonl", head) as file:
        for row in linked:
            file.add(Label(row["left"], row["right"], "non-match", False, "2026-06-01T10:00:00Z"))
    arguments = project.link(tmp_path / "two")
    assert run(*arguments, "--labels", tmp_path / "labels.jsonl").exit_code == 0
    rows = linkmap.load(
        opened(project, tmp_path / "two" / "linkmap.package", "link_map", tmp_path / "m")
    ).to_pylist()
    person = {row["record"]: row["person"] for row in rows}
    for row in linked:
        assert person.get(row["right"]) != person[row["left"]]


def test_labels_of_another_delivery_are_refused(project: Project, tmp_path: Path) -> None:
    """They would name nobody, and the reviewers' work would be lost without a word."""
    from pseudolink.formats.reviews import Head, Label, LabelFile

    with LabelFile(tmp_path / "labels.jsonl", Head("0" * 64, "A", 1, 0)) as file:
        file.add(Label(b"a" * 16, b"b" * 16, "match", False, "2026-06-01T10:00:00Z"))
    arguments = project.link(tmp_path / "out")
    said = refused(run(*arguments, "--labels", tmp_path / "labels.jsonl"), "PL-LINK-01")
    assert "1 of 1 labels" in said
    assert not (tmp_path / "out").exists()


def test_candidates_hold_no_value_and_are_left_only_when_asked_for(project: Project, tmp_path: Path) -> None:
    assert run(*project.link(tmp_path / "out")).exit_code == 0
    assert not (tmp_path / "out" / "candidates.parquet").exists()
    assert run(*project.link(tmp_path / "again"), "--candidates").exit_code == 0
    raw = (tmp_path / "again" / "candidates.parquet").read_bytes()
    for party in CUSTODIANS:
        for name in extract(project, party)["surname"].head(50):
            assert len(name) < 5 or name.encode() not in raw
