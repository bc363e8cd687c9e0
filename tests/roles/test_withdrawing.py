from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import Result
from project_on_disk import CUSTODIANS, OPERATOR, RELEASER, Project, build, leftovers, run, sign_again

from pseudolink.agreement import load_agreement
from pseudolink.errors import ArtefactError
from pseudolink.formats import withdrawal
from pseudolink.ledger import chain, together
from pseudolink.seal.package import inspect, open_package
from pseudolink.synthetic.population import OBJECTIONS_FILE


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return build(tmp_path_factory.mktemp("withdrawing") / "demo", 500)


@pytest.fixture
def project(made: Project, tmp_path: Path) -> Project:
    shutil.copytree(made.folder, tmp_path / "demo")
    return Project(tmp_path / "demo", made.result)


def people(project: Project) -> list[dict[str, str]]:
    """The cohort's rows that were delivered: those without an objection."""
    with project.extract("council").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    objecting = project.folder / "council" / OBJECTIONS_FILE
    gone = objecting.read_text().split() if objecting.exists() else []
    return [row for row in rows if row["programme_id"] not in gone]


def withdraw(project: Project, listed: str, output: Path, *more: object, party: str = "council") -> Result:
    path = project.folder / party / f"{output.stem}-list.csv"
    path.write_text(listed, encoding="utf-8")
    keys = project.keys(party)
    return run(
        "withdraw",
        path,
        "--index",
        project.folder / party / "outbox" / f"{party}.records.package",
        "--agreement",
        project.agreement,
        "--key",
        keys / f"{party}.party.key",
        "-o",
        output,
        "--ledger",
        project.folder / party / "ledger.jsonl",
        "--passphrase-file",
        keys / "passphrase",
        *more,
    )


def relinked(project: Project, folder: Path, *withdrawals: Path) -> tuple[Result, Result]:
    more = [item for one in withdrawals for item in ("--withdrawals", one)]
    linking = run(*project.link(folder / "linkage", ledger=project.folder / OPERATOR / "ledger.jsonl"), *more)
    ledger = project.folder / RELEASER / "ledger.jsonl"
    made = run(
        *project.release(folder / "release", folder / "linkage" / "linkmap.package", ledger=ledger), *more
    )
    return linking, made


def test_who_withdraws_is_in_no_new_link_map_and_no_new_release(project: Project, tmp_path: Path) -> None:
    chosen = people(project)[:3]
    package = project.folder / "council" / "one.withdrawal.package"
    done = withdraw(project, "".join(row["programme_id"] + "\n" for row in chosen), package, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["records"] == 3
    linking, made = relinked(project, tmp_path, package)
    assert (linking.exit_code, made.exit_code) == (0, 0), linking.output + made.output
    before = pq.read_table(project.folder / RELEASER / "release" / "release.parquet")
    after = pq.read_table(tmp_path / "release" / "release.parquet")
    assert before.num_rows - after.num_rows == 3


def test_the_releaser_drops_them_from_a_link_map_of_before(project: Project, tmp_path: Path) -> None:
    """The operator may not have linked again yet."""
    package = project.folder / "council" / "one.withdrawal.package"
    withdraw(project, people(project)[0]["programme_id"] + "\n", package)
    done = run(*project.release(tmp_path / "release"), "--withdrawals", package)
    assert done.exit_code == 0, done.output
    assert pq.read_table(tmp_path / "release" / "release.parquet").num_rows == len(people(project)) - 1


def test_another_bodys_record_is_dropped_and_the_person_stays(project: Project, tmp_path: Path) -> None:
    """Schools withdraws by identifiers; nobody loses the cohort's own record."""
    with project.extract("schools").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    names = [name for name in rows[0] if name in ("forename", "surname", "dob", "upn")]
    listed = ",".join(names) + "\n" + ",".join(rows[0][name] for name in names) + "\n"
    package = project.folder / "schools" / "one.withdrawal.package"
    more = ("--schema", project.schema, "--extract", project.extract("schools"))
    done = withdraw(project, listed, package, *more, party="schools")
    assert done.exit_code == 0, done.output
    _, made = relinked(project, tmp_path, package)
    assert made.exit_code == 0, made.output
    assert pq.read_table(tmp_path / "release" / "release.parquet").num_rows == len(people(project))
    changed = project.folder / "schools" / "changed.csv"
    changed.write_bytes(project.extract("schools").read_bytes() + b"\n")
    other = withdraw(
        project, listed, tmp_path / "two", "--schema", project.schema, "--extract", changed, party="schools"
    )
    assert "not the file that was delivered" in other.stderr


@pytest.mark.parametrize("count", [1, 2, 60])
def test_counting_attack_nothing_shows_how_many_withdrew(
    project: Project, tmp_path: Path, count: int
) -> None:
    """The same size, the same count in the manifest, and a receipt without a number."""
    package = project.folder / "council" / "one.withdrawal.package"
    done = withdraw(project, "".join(row["programme_id"] + "\n" for row in people(project)[:count]), package)
    assert done.exit_code == 0, done.output
    manifest = inspect(package, load_agreement(project.agreement))
    assert (manifest.rows, dict(manifest.statistics)) == (64, {})
    receipt = chain.read(project.folder / "council" / "ledger.jsonl")[-1]
    assert set(receipt.details) == {"withdrawal"}
    assert package.stat().st_size < 12_000


def test_nobody_but_the_holders_opens_a_withdrawal_and_no_custodian(project: Project, tmp_path: Path) -> None:
    package = project.folder / "council" / "one.withdrawal.package"
    withdraw(project, people(project)[0]["programme_id"] + "\n", package)
    agreed = load_agreement(project.agreement)
    for party in (*CUSTODIANS, "university"):
        with pytest.raises(Exception, match=r"receives no|not sealed"):
            open_package(
                package,
                tmp_path / "out",
                agreement=agreed,
                recipient=project.party_key(party),
                artefact="withdrawal",
            )
    assert leftovers(tmp_path) == ["demo"]


def test_a_withdrawal_that_was_used_cannot_be_forgotten(project: Project, tmp_path: Path) -> None:
    first, second = (project.folder / "council" / f"{n}.withdrawal.package" for n in ("one", "two"))
    withdraw(project, people(project)[0]["programme_id"] + "\n", first)
    withdraw(project, people(project)[1]["programme_id"] + "\n", second)
    relinked(project, tmp_path / "a", first)
    linking, made = relinked(project, tmp_path / "b", second)
    assert "PL-WITHDRAW-01" in linking.stderr
    latest = tmp_path / "a" / "linkage" / "linkmap.package"
    made = run(*project.release(tmp_path / "c", latest, ledger=project.folder / RELEASER / "ledger.jsonl"))
    assert "PL-WITHDRAW-01" in made.stderr
    linking, made = relinked(project, tmp_path / "d", first, second)
    assert (linking.exit_code, made.exit_code) == (0, 0), linking.output + made.output
    publics = {one.id: one.signing_key for one in load_agreement(project.agreement).parties}
    together.verify(sorted(project.folder.glob("*/ledger.jsonl")), publics)


def test_a_new_delivery_without_them_needs_the_withdrawal_no_more(project: Project, tmp_path: Path) -> None:
    package = project.folder / "council" / "one.withdrawal.package"
    chosen = people(project)[0]["programme_id"]
    withdraw(project, chosen + "\n", package)
    relinked(project, tmp_path / "a", package)
    objections = project.folder / "council" / OBJECTIONS_FILE
    objections.write_text((objections.read_text() if objections.exists() else "") + chosen + "\n")
    ledger = project.folder / "council" / "ledger.jsonl"
    done = run(*project.encode(tmp_path / "outbox", "council", ledger=ledger, objections=objections))
    assert done.exit_code == 0, done.output
    others = [project.encodings(party) for party in CUSTODIANS if party != "council"]
    packages = [tmp_path / "outbox" / "council.encodings.package", *others]
    done = run(*project.link(tmp_path / "b", *packages, ledger=project.folder / OPERATOR / "ledger.jsonl"))
    assert done.exit_code == 0, done.output


def test_under_the_policy_of_families_the_family_is_withdrawn(project: Project, tmp_path: Path) -> None:
    sign_again(project, ("cohort = true", 'cohort = true\nobjections = "family"'))
    outbox = project.folder / "council" / "outbox"
    shutil.rmtree(outbox)
    done = run(*project.encode(outbox, "council", ledger=project.folder / "council" / "ledger.jsonl"))
    assert done.exit_code == 0, done.output
    rows = people(project)
    sizes: dict[str, list[str]] = {}
    for row in rows:
        sizes.setdefault(row["family_id"], []).append(row["programme_id"])
    family = max(sizes.values(), key=len)
    done = withdraw(project, family[0] + "\n", tmp_path / "w.package", "--json")
    assert json.loads(done.stdout)["records"] >= len(family) > 1


def test_a_list_of_nobody_writes_nothing(project: Project, tmp_path: Path) -> None:
    done = withdraw(project, "nobody\n", tmp_path / "w.package")
    assert "PL-INPUT-01" in done.stderr
    assert leftovers(tmp_path) == ["demo"]
    done = withdraw(project, "nobody\n", tmp_path / "w.package", "--index", project.payload("council"))
    assert done.exit_code == 1
    assert leftovers(tmp_path) == ["demo"]


def test_a_withdrawal_of_another_form_is_refused(tmp_path: Path) -> None:
    import pyarrow as pa

    path = tmp_path / "w.parquet"
    for table in (
        pa.table({"record": pa.array([bytes(16)], pa.binary(16))}),
        pa.table({"record": pa.array([bytes(16)] * 64, pa.binary(16))}),
        pa.table({"record": pa.array([bytes(8)] * 64, pa.binary(8))}),
        pa.table({"other": pa.array(range(64))}),
    ):
        pq.write_table(table, path)
        with pytest.raises(ArtefactError):
            withdrawal.load(path)
    path.write_bytes(b"")
    with pytest.raises(ArtefactError):
        withdrawal.load(path)
    assert withdrawal.save([], path) == 64
    assert len(withdrawal.load(path)) == 64


def test_who_withdrew_is_not_counted_by_rates_either(project: Project, tmp_path: Path) -> None:
    package = project.folder / "council" / "one.withdrawal.package"
    withdraw(project, people(project)[0]["programme_id"] + "\n", package)
    ledger = project.folder / RELEASER / "ledger.jsonl"
    used = run(*project.release(tmp_path / "release", ledger=ledger), "--withdrawals", package)
    assert used.exit_code == 0, used.output
    keys = project.keys(RELEASER)
    words = [
        "rates", project.link_map, *(project.payload(party) for party in CUSTODIANS), "--by", "arm",
        "--agreement", project.agreement, "--key", keys / f"{RELEASER}.party.key", "--ledger", ledger,
        "--passphrase-file", keys / "passphrase",
    ]  # fmt: skip
    forgotten = run(*words, "-o", tmp_path / "rates")
    assert forgotten.exit_code == 1
    assert "its withdrawal" in forgotten.stderr
    assert not (tmp_path / "rates").exists()
    counted = run(*words, "-o", tmp_path / "rates", "--withdrawals", package)
    assert counted.exit_code == 0, counted.output
