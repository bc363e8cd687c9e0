"""shards: a plan that any worker can run, in any order, twice, or not at all."""

from __future__ import annotations

import csv
import hashlib
import json
import random
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from project_on_disk import CUSTODIANS, OPERATOR, Project, run

from pseudolink.roles import shard_plan
from pseudolink.synthetic.population import OBJECTIONS_FILE


@pytest.fixture(scope="module")
def made(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plan of many small shards, of which none is run."""
    folder = tmp_path_factory.mktemp("plan") / "plan"
    result = run(*arguments(project, folder), "--memory", "20K")
    assert result.exit_code == 0, result.stderr
    return folder


@pytest.fixture
def plan(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "plan")
    return tmp_path / "plan"


def arguments(project: Project, folder: Path) -> list[str]:
    link = project.link(folder)
    at = link.index("--ledger")
    return ["shards", "plan", *link[1:at], *link[at + 2 :]]


def withdrawing(project: Project, folder: Path, count: int) -> tuple[Project, Path]:
    """A copy of the project in which so many of the cohort withdraw, and their package."""
    copy = Project(folder / "demo", project.result)
    shutil.copytree(project.folder, copy.folder)
    council, package = copy.folder / "council", folder / "one.withdrawal.package"
    with copy.extract("council").open(encoding="utf-8", newline="") as stream:
        people = [row["programme_id"] for row in csv.DictReader(stream)]
    objecting = (council / OBJECTIONS_FILE).read_text(encoding="utf-8").split()
    chosen = [one for one in people if one not in objecting][:count]
    (folder / "list.txt").write_text("".join(f"{one}\n" for one in chosen), encoding="utf-8")
    words = ["withdraw", folder / "list.txt", "--index", council / "outbox" / "council.records.package"]
    words += ["--agreement", copy.agreement, "--key", copy.keys("council") / "council.party.key"]
    words += ["--ledger", council / "ledger.jsonl", "--passphrase-file", copy.keys("council") / "passphrase"]
    result = run(*words, "-o", package)
    assert result.exit_code == 0, result.output
    return copy, package


def shown(plan: Path) -> dict[str, Any]:
    result = run("shards", "show", plan, "--json")
    assert result.exit_code == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def finished(plan: Path) -> dict[str, str]:
    return {
        str(path.relative_to(plan)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (plan / "work").rglob("*.shard")
    }


def test_a_plan_names_every_pass_and_range_of_every_two_parties(made: Path, project: Project) -> None:
    plan = shard_plan.load(made)
    ends = {(one.left, one.right) for one in plan.shards}
    assert ends == {("council", other) for other in CUSTODIANS[1:]}
    assert len(plan.shards) > 3 * 20
    assert len(shown(made)["left"]) == len(plan.shards)
    assert {one.count for one in plan.shards} > {1} or max(one.count for one in plan.shards) > 1


def test_workers_in_any_order_and_twice_give_the_same_bytes(plan: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(plan, other)
    assert run("shards", "run", plan).exit_code == 0
    numbers = list(range(shown(other)["shards"]))
    random.Random(3).shuffle(numbers)
    half = len(numbers) // 2
    assert run("shards", "run", other, *numbers[:half]).exit_code == 0
    assert len(shown(other)["left"]) == len(numbers) - half
    for share in ("1/3", "0/3", "2/3", "1/3"):
        assert run("shards", "run", other, "--share", share).exit_code == 0
    assert shown(other)["left"] == []
    assert finished(plan) == finished(other)


def test_a_worker_that_was_killed_leaves_no_half_a_shard(plan: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a killed worker leaves is no shard, and the next one does it again with the same bytes."""
    from pseudolink.match import shards

    def torn(stream: Any, column: Any, **_: Any) -> None:
        stream.write(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shards.np, "save", torn)
        with pytest.raises(KeyboardInterrupt):
            shard_plan.run(shard_plan.load(plan), shard_plan.load(plan).shards[:1])
    assert finished(plan) == {}
    assert run("shards", "run", plan, "0").exit_code == 0
    assert len(finished(plan)) == 1


@pytest.mark.parametrize("done", ["none", "some", "all"])
def test_link_takes_what_is_finished_and_does_the_rest(
    project: Project, plan: Path, tmp_path: Path, done: str
) -> None:
    chosen = {"none": [], "some": ["--share", "1/2"], "all": []}[done]
    if done != "none":
        assert run("shards", "run", plan, *chosen).exit_code == 0
    before = finished(plan)
    result = run(*project.link(tmp_path / "out"), "--shards", plan, "--json", "--candidates")
    assert result.exit_code == 0, result.stderr
    plain = run(*project.link(tmp_path / "plain"), "--json", "--candidates")
    assert json.loads(result.stdout)["summary"] == json.loads(plain.stdout)["summary"]
    files = [(tmp_path / name / "candidates.parquet").read_bytes() for name in ("out", "plain")]
    assert files[0] == files[1]
    assert before.items() <= finished(plan).items()


def test_a_worker_needs_no_key(plan: Path, project: Project) -> None:
    """Nothing in a plan opens anything: no key file, no passphrase, no package."""
    phrase = project.phrase(OPERATOR).encode()
    for path in plan.rglob("*"):
        if path.is_file():
            assert path.suffix in {".json", ".toml", ".parquet"}
            assert phrase not in path.read_bytes()


def test_a_plan_of_other_packages_is_refused(project: Project, plan: Path, tmp_path: Path) -> None:
    packages = [project.encodings(party) for party in ("council", "schools")]
    result = run(*project.link(tmp_path / "out", *packages), "--shards", plan)
    assert result.exit_code == 1
    assert "PL-ENGINE-02" in result.stderr
    assert not (tmp_path / "out").exists()


def test_who_withdraws_is_in_no_shard_and_a_plan_made_before_is_refused(
    project: Project, plan: Path, tmp_path: Path
) -> None:
    """A shard names rows by their place: with a row gone, an older plan would link other people."""
    copy, gone = withdrawing(project, tmp_path, 40)
    more = ["--withdrawals", gone, "--candidates", "--json"]
    result = run(*copy.link(tmp_path / "refused"), "--shards", plan, *more)
    assert result.exit_code == 1
    assert "PL-ENGINE-02" in result.stderr
    assert not (tmp_path / "refused").exists()

    made = tmp_path / "again"
    result = run(*arguments(copy, made), "--memory", "20K", "--withdrawals", gone)
    assert result.exit_code == 0, result.stderr
    rows = [pq.read_metadata(one / "encodings" / "council.parquet").num_rows for one in (plan, made)]
    assert rows[1] <= rows[0] - 40
    assert run("shards", "run", made).exit_code == 0
    there = run(*copy.link(tmp_path / "out"), "--shards", made, *more)
    assert there.exit_code == 0, there.stderr
    here = run(*copy.link(tmp_path / "plain"), *more)
    assert json.loads(there.stdout)["summary"] == json.loads(here.stdout)["summary"]
    files = [(tmp_path / name / "candidates.parquet").read_bytes() for name in ("out", "plain")]
    assert files[0] == files[1]


def test_a_withdrawal_that_was_used_before_is_missed(project: Project, tmp_path: Path) -> None:
    """What the operator's ledger knows of, a plan must not leave out."""
    copy, gone = withdrawing(project, tmp_path, 1)
    assert run(*copy.link(tmp_path / "out"), "--withdrawals", gone).exit_code == 0
    result = run(*arguments(copy, tmp_path / "plan"), "--ledger", tmp_path / "ledger.jsonl")
    assert result.exit_code == 1
    assert "--withdrawals" in result.stderr
    assert not (tmp_path / "plan").exists()


def test_exchanged_encodings_attack_on_a_plan(plan: Path) -> None:
    """Encodings that were changed after the plan was made give no shard."""
    path = plan / "encodings" / "schools.parquet"
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(bytes(raw))
    result = run("shards", "run", plan)
    assert result.exit_code == 1
    assert "PL-ENGINE-02" in result.stderr
    assert not any("schools" in name for name in finished(plan))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda plan: (plan / "plan.json").unlink(),
        lambda plan: (plan / "plan.json").write_text("[]"),
        lambda plan: (plan / "plan.json").write_text("{"),
        lambda plan: (plan / "schema.toml").unlink(),
        lambda plan: (plan / "plan.json").write_text(
            (plan / "plan.json").read_text().replace('"left": "council"', '"left": "../elsewhere"', 1)
        ),
    ],
    ids=["gone", "list", "cut", "no schema", "path of another folder"],
)
def test_a_damaged_plan_is_refused(plan: Path, spoil: Any) -> None:
    spoil(plan)
    result = run("shards", "run", plan)
    assert result.exit_code == 1
    assert "PL-" in result.stderr
    assert finished(plan) == {}


@pytest.mark.parametrize("words", [["--share", "3/3"], ["--share", "x"], ["--share", "0/2", "1"], ["99999"]])
def test_shards_that_are_not_there_are_refused(plan: Path, words: list[str]) -> None:
    result = run("shards", "run", plan, *words)
    assert result.exit_code == 1
    assert "PL-USE-01" in result.stderr
    assert finished(plan) == {}


@pytest.mark.parametrize(
    "words", [["--engine", "spark"], ["--memory", "1G"]], ids=["another engine", "another memory"]
)
def test_a_plan_goes_with_no_other_way_to_join(
    project: Project, plan: Path, tmp_path: Path, words: list[str]
) -> None:
    result = run(*project.link(tmp_path / "out"), "--shards", plan, *words)
    assert result.exit_code == 1
    assert "PL-USE-01" in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_cluster_without_its_engine_is_refused(project: Project, tmp_path: Path) -> None:
    result = run(*project.link(tmp_path / "out"), "--cluster", "sc://nowhere")
    assert result.exit_code == 1
    assert "PL-USE-01" in result.stderr
