"""The operator's role: what it opens, what it measures for itself, what it makes."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from project_on_disk import CUSTODIANS, OPERATOR, RELEASER, Project, leftovers

from pseudolink import files
from pseudolink.agreement import Agreement, load_signed
from pseudolink.errors import (
    AgreementExpiredError,
    ArtefactError,
    FloorError,
    LinkageError,
    MixedArtefactsError,
    NotPermittedError,
    PseudolinkError,
    SchemaMismatchError,
    WrongKeyError,
)
from pseudolink.formats import encodings as encoding_files
from pseudolink.formats import linkmap
from pseudolink.ledger import chain
from pseudolink.match import shards
from pseudolink.roles import operator
from pseudolink.roles.operator import Linked
from pseudolink.schema import load_schema
from pseudolink.seal.package import file_digest, inspect, open_package, seal


def link(project: Project, tmp_path: Path, *packages: Path, **changed: Any) -> Linked:
    arguments = {
        "agreement": project.agreement,
        "schema": project.schema,
        "key": project.party_key(OPERATOR),
        "output": tmp_path / "out",
        "ledger": tmp_path / "ledger.jsonl",
        **changed,
    }
    return operator.link(packages or [project.encodings(p) for p in CUSTODIANS], **arguments)


@pytest.fixture(scope="module")
def linked(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Linked:
    return link(project, tmp_path_factory.mktemp("linked"))


def opened_map(project: Project, package: Path, plain: Path) -> list[dict[str, Any]]:
    agreed = load_signed(project.agreement)
    key = project.party_key(RELEASER)
    open_package(package, plain, agreement=agreed, recipient=key, artefact="link_map")
    rows: list[dict[str, Any]] = linkmap.load(plain).to_pylist()
    return rows


# ---------------------------------------------------------------- what it makes


def test_the_link_map_has_everybody_of_the_cohort_and_only_linked_others(
    project: Project, linked: Linked, tmp_path: Path
) -> None:
    """Nothing is said of people of other parties who are nobody's."""
    rows = opened_map(project, linked.link_map, tmp_path / "map.parquet")
    people = {row["person"] for row in rows if row["party"] == "council"}
    table = project.result
    assert len(people) == sum(row["party"] == "council" for row in rows)
    for agency in table.agencies:
        mine = [row for row in rows if row["party"] == agency.agency]
        assert len(mine) == agency.links
        assert {row["person"] for row in mine} <= people


def test_person_ids_are_new_for_every_linkage(project: Project, linked: Linked, tmp_path: Path) -> None:
    """Two link maps cannot be joined by them."""
    again = link(project, tmp_path)
    first = opened_map(project, linked.link_map, tmp_path / "one.parquet")
    second = opened_map(project, again.link_map, tmp_path / "two.parquet")
    assert not {row["person"] for row in first} & {row["person"] for row in second}
    pairs = [_pairs(rows) for rows in (first, second)]
    assert pairs[0] == pairs[1], "who is linked with whom is the same"


def _pairs(rows: list[dict[str, Any]]) -> set[frozenset[tuple[str, bytes]]]:
    people: dict[bytes, set[tuple[str, bytes]]] = {}
    for row in rows:
        people.setdefault(row["person"], set()).add((row["party"], row["record"]))
    return {frozenset(one) for one in people.values()}


def test_the_report_and_the_summary_hold_counts_alone(project: Project, linked: Linked) -> None:
    """No record ID and no token gets into what an operator shows around."""
    layout = load_schema(project.schema).layout
    shown = linked.report.read_bytes() + linked.report.with_name("summary.json").read_bytes()
    plain = linked.report.parent / "look.parquet"
    agreed = load_signed(project.agreement)
    for party in CUSTODIANS:
        open_package(
            project.encodings(party),
            plain,
            agreement=agreed,
            recipient=project.party_key(OPERATOR),
            artefact="encodings",
        )
        found = encoding_files.load(plain, layout)
        plain.unlink()
        for record in found.records:
            assert bytes(record) not in shown
            assert bytes(record).hex().encode() not in shown
    assert json.loads(linked.report.with_name("summary.json").read_text())["project"] == "demo"


def test_the_receipt_names_every_package_and_the_link_map(project: Project, tmp_path: Path) -> None:
    found = link(project, tmp_path)
    (receipt,) = chain.read(tmp_path / "ledger.jsonl")
    assert receipt.step == "link"
    assert receipt.details["packages"] == {p: file_digest(project.encodings(p)) for p in sorted(CUSTODIANS)}
    assert receipt.details["link_map"] == file_digest(found.link_map)


def test_the_link_map_is_sealed_to_the_releaser_and_nobody_else(project: Project, linked: Linked) -> None:
    agreed = load_signed(project.agreement)
    assert inspect(linked.link_map, agreed).recipients == (RELEASER,)


# ---------------------------------------------------------------- what it refuses


def refused(
    kind: type[PseudolinkError], match: str, project: Project, tmp_path: Path, *packages: Path, **more: Any
) -> None:
    kept = leftovers(tmp_path)
    with pytest.raises(kind, match=match):
        link(project, tmp_path, *packages, **more)
    assert leftovers(tmp_path) == kept
    assert not (tmp_path / "ledger.jsonl").exists()


@pytest.mark.parametrize("party", ["council", RELEASER, "university"])
def test_only_the_operator_links(project: Project, tmp_path: Path, party: str) -> None:
    refused(NotPermittedError, "only the operator links", project, tmp_path, key=project.party_key(party))


def test_one_package_is_no_linkage(project: Project, tmp_path: Path) -> None:
    refused(LinkageError, "at least two", project, tmp_path, project.encodings("council"))


def test_every_mistake_in_a_set_of_packages_is_named(project: Project, tmp_path: Path) -> None:
    """Both that one party is there twice and that the cohort is not."""
    packages = [project.encodings("work"), project.encodings("work")]
    with pytest.raises(MixedArtefactsError) as caught:
        link(project, tmp_path, *packages)
    assert [p.place for p in caught.value.problems] == ["work", "council"]


@pytest.mark.parametrize("day", [date(2000, 1, 1), date(2099, 1, 1)])
def test_nothing_is_linked_outside_the_dates_of_the_agreement(
    project: Project, tmp_path: Path, day: date
) -> None:
    refused(AgreementExpiredError, "agreement", project, tmp_path, today=day)


def test_a_link_map_under_another_schema_is_not_made(project: Project, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text(project.schema.read_text().replace("component = 20", "component = 19"))
    refused(SchemaMismatchError, "schema", project, tmp_path, schema=other)


class Forger:
    """A custodian whose own software says and packs what it likes."""

    def __init__(self, project: Project, folder: Path, party: str = "offending") -> None:
        self.project, self.folder, self.party = project, folder, party
        self.agreed: Agreement = load_signed(project.agreement)
        self.manifest = inspect(project.encodings(party), self.agreed)
        self.plain = folder / "plain.parquet"
        open_package(
            project.encodings(party),
            self.plain,
            agreement=self.agreed,
            recipient=project.party_key(OPERATOR),
            artefact="encodings",
        )

    def package(self, **changes: Any) -> Path:
        target = self.folder / "forged.package"
        manifest = replace(self.manifest, **changes)
        seal(self.plain, target, manifest, self.agreed, self.project.party_key(self.party))
        self.plain.unlink()
        return target


def test_encodings_with_more_company_than_their_manifest_says_are_refused(
    project: Project, tmp_path: Path
) -> None:
    """The operator measures for itself: a patched encoder gets nothing past the floor."""
    forger = Forger(project, tmp_path)
    table = pq.read_table(forger.plain)
    name = next(n for n in table.column_names if n.endswith("fn_initial-dob-pc.token"))
    cells = table.column(name).to_pylist()
    filled = [n for n, cell in enumerate(cells) if cell is not None]
    for n in filled[: len(filled) // 3]:
        cells[n] = cells[filled[0]]
    at = table.column_names.index(name)
    field = table.schema.field(at)
    import pyarrow as pa

    pq.write_table(table.set_column(at, field, pa.array(cells, field.type)), forger.plain)
    refused(FloorError, "company", project, tmp_path, project.encodings("council"), forger.package())


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"rows": 1}, "rows"),
        ({"statistics": {}}, "statistics"),
        ({"statistics": {"chance": {}, "company": {}, "coverage": {}, "names": 1}}, "statistics"),
        ({"statistics": {"chance": {}, "company": {"passes": []}, "coverage": {}}}, "statistics"),
        ({"statistics": {"chance": {}, "company": 3, "coverage": {}}}, "statistics"),
    ],
)
def test_a_manifest_that_does_not_fit_its_encodings_is_refused(
    project: Project, tmp_path: Path, changes: dict[str, Any], place: str
) -> None:
    package = Forger(project, tmp_path).package(**changes)
    with pytest.raises(ArtefactError) as caught:
        link(project, tmp_path, project.encodings("council"), package)
    assert any(p.place.startswith(place) for p in caught.value.problems)
    assert leftovers(tmp_path) == ["forged.package"]


@pytest.mark.parametrize("statistic", ["chance", "company", "coverage"])
@pytest.mark.parametrize("value", [None, 3, "text", [], {"passes": None}, {"fields": 3}])
def test_statistics_of_another_form_are_refused_and_never_crash(
    project: Project, tmp_path: Path, statistic: str, value: Any
) -> None:
    """What a manifest holds is another organisation's text: it is checked before it is used."""
    forger = Forger(project, tmp_path)
    package = forger.package(statistics={**dict(forger.manifest.statistics), statistic: value})
    with pytest.raises(PseudolinkError):
        link(project, tmp_path, project.encodings("council"), package)
    assert leftovers(tmp_path) == ["forged.package"]


def test_encodings_made_with_another_linkage_key_are_refused(project: Project, tmp_path: Path) -> None:
    """They would link nobody, and the operator could not see why."""
    forger = Forger(project, tmp_path)
    with pytest.raises(WrongKeyError, match="another linkage key"):
        forger.package(key_check="0" * 32)


def test_encodings_without_a_check_value_of_their_key_are_refused(project: Project, tmp_path: Path) -> None:
    forger = Forger(project, tmp_path)
    with pytest.raises(PseudolinkError, match="key_check"):
        forger.package(key_check=None)


def test_names_in_a_manifest_reach_neither_report_nor_message(project: Project, tmp_path: Path) -> None:
    """Smuggling attack: a coverage of "Featherstonehaugh" would stand in the operator's report."""
    forger = Forger(project, tmp_path)
    statistics = json.loads(json.dumps(dict(forger.manifest.statistics)))
    statistics["coverage"]["Featherstonehaugh"] = 1
    statistics["company"]["passes"][0]["name"] = "Featherstonehaugh"
    package = forger.package(statistics=statistics)
    with pytest.raises(ArtefactError) as caught:
        link(project, tmp_path, project.encodings("council"), package)
    assert [p.place for p in caught.value.problems] == ["statistics.company.passes", "statistics.coverage"]
    assert "Featherstonehaugh" not in str(caught.value)


@pytest.mark.parametrize("count", [-1, 10**9, True, "7"])
@pytest.mark.parametrize("where", ["records", "company", "coverage", "pass"])
def test_counts_that_cannot_be_are_refused(project: Project, tmp_path: Path, count: Any, where: str) -> None:
    forger = Forger(project, tmp_path)
    statistics = json.loads(json.dumps(dict(forger.manifest.statistics)))
    if where == "coverage":
        statistics["coverage"]["dob"] = count
    elif where == "pass":
        statistics["company"]["passes"][0]["tokens"] = -1 if count == 10**9 else count
    else:
        statistics["company"][where] = count
    package = forger.package(statistics=statistics)
    with pytest.raises(ArtefactError):
        link(project, tmp_path, project.encodings("council"), package)


def test_columns_that_are_not_of_the_format_are_refused(project: Project, tmp_path: Path) -> None:
    """Smuggling attack: a name in a further column never reaches the operator's memory as one."""
    import pyarrow as pa

    forger = Forger(project, tmp_path)
    table = pq.read_table(forger.plain)
    pq.write_table(table.append_column("surname", pa.array(["x"] * table.num_rows)), forger.plain)
    refused(ArtefactError, "surname", project, tmp_path, project.encodings("council"), forger.package())


# ---------------------------------------------------------------- beyond memory, and killed


def test_little_memory_and_much_give_the_same_links(project: Project, linked: Linked, tmp_path: Path) -> None:
    found = link(project, tmp_path, memory=10_000)
    assert found.summary == linked.summary
    assert leftovers(tmp_path) == ["out"]


def test_nothing_that_was_opened_is_in_the_output(linked: Linked) -> None:
    there = sorted(path.name for path in linked.link_map.parent.iterdir())
    assert there == sorted(
        [operator.MAP_FILE, operator.MODEL_FILE, operator.REPORT_FILE, operator.SUMMARY_FILE]
    )


def test_a_killed_link_goes_on_behind_its_last_finished_shard(
    project: Project, linked: Linked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGKILL leaves the work folder; here it is what keeps the folder from being removed."""
    joined: list[str] = []
    join_pass = shards.join_pass

    def killed(*given: Any, **more: Any) -> Any:
        if len(joined) == 5:
            raise KeyboardInterrupt
        joined.append(more["name"])
        return join_pass(*given, **more)

    with monkeypatch.context() as patched:
        patched.setattr(shards, "join_pass", killed)
        patched.setattr(files, "_discard", lambda path: None)
        with pytest.raises(KeyboardInterrupt):
            link(project, tmp_path)
    assert not (tmp_path / "out").exists()
    assert len(list(tmp_path.glob(f"{files.WORK_PREFIX}*/*/*/*.shard"))) == 5
    again: list[str] = []
    monkeypatch.setattr(
        shards, "join_pass", lambda *given, **more: again.append(more["name"]) or join_pass(*given, **more)
    )
    assert link(project, tmp_path).summary == linked.summary
    passes = len(load_schema(project.schema).passes)
    assert len(joined) + len(again) == passes * (len(CUSTODIANS) - 1)
    assert leftovers(tmp_path) == ["out"]


def test_what_to_expect_is_said_and_nothing_is_written(
    project: Project, linked: Linked, tmp_path: Path
) -> None:
    found = operator.expect(
        [project.encodings(p) for p in CUSTODIANS],
        agreement=project.agreement,
        schema=project.schema,
        key=project.party_key(OPERATOR),
        output=tmp_path / "out",
    )
    assert list(tmp_path.iterdir()) == []
    # Everybody is in a sample of so few. Rows are joined, and a record may have several.
    for pair in linked.summary.pairs:
        expected = found[pair.left, pair.right]
        assert expected.passes.keys() == dict(pair.passes).keys()
        assert all(pairs <= expected.passes[name] <= 4 * pairs + 3 for name, pairs in pair.passes)
        assert pair.candidates <= expected.pairs <= 4 * pair.candidates
