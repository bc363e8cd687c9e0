"""engines-v1: a cluster finds what this machine finds, and learns no key."""

from __future__ import annotations

import csv
import json
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import spark_cluster
from click.testing import CliRunner
from project_on_disk import OPERATOR, RELEASER, Project, build, leftovers
from spark_cluster import Cluster, spilt

from pseudolink.agreement import load_signed
from pseudolink.cli.anyone import demo_schema
from pseudolink.cli.main import cli
from pseudolink.keys.linkage import LinkageKey
from pseudolink.keys.party import PartyKey
from pseudolink.seal.package import open_package

if spark_cluster.missing():
    # Not a skip for want of a package in the sense of CI: `make spark-test` is where these run.
    pytest.skip(spark_cluster.missing() or "", allow_module_level=True)

pytestmark = pytest.mark.slow

LETTERS = "abcdefghijklmnopqrstuvwxyz"
DRIVER = Path(__file__).parent / "spark_driver.py"
COMMANDS = Path(__file__).parent / "spark_cli.py"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with spark_cluster.cluster(tmp_path_factory.mktemp("cluster")) as found:
        yield found


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Under decoys, as the schema that ships with the software is."""
    return build(tmp_path_factory.mktemp("project") / "demo", 600)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The same people without decoys: the operator sees who has company."""
    folder = tmp_path_factory.mktemp("bare")
    text = demo_schema().read_text(encoding="utf-8")
    assert "decoys = true" in text
    (folder / "schema.toml").write_text(text.replace("decoys = true", "decoys = false"), encoding="utf-8")
    return build(folder / "demo", 600, folder / "schema.toml")


def drive(cluster: Cluster, *arguments: object) -> subprocess.CompletedProcess[str]:
    """A driver in a process of its own; what it says is kept with the logs of the cluster."""
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        env=cluster.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=540,
    )
    number = len(list(cluster.folder.glob("driver*.log")))
    (cluster.folder / f"driver{number}.log").write_text(done.stdout + done.stderr)
    return done


def command(cluster: Cluster, *arguments: object) -> subprocess.CompletedProcess[str]:
    """A command whose randomness is the same every time; what executors put on disks is kept."""
    kept = cluster.folder / f"kept{len(list(cluster.folder.glob('kept*')))}"
    return drive(cluster, COMMANDS, cluster.local, kept, *arguments)


def on(cluster: Cluster, engine: str) -> list[str]:
    return ["--engine", "spark", "--cluster", cluster.address] if engine == "spark" else []


def test_reference_numba_and_spark_give_identical_pairs(cluster: Cluster, tmp_path: Path) -> None:
    """Random encodings, versions, many shards, a giant block, nobody: all to the bit."""
    done = drive(cluster, DRIVER, cluster.address, tmp_path, "parity")
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["cases"] >= 8
    assert told["pairs"] > 1_000
    assert told["giants"] > 0
    assert told["executors"] >= 2


# ---------------------------------------------------------------- encode


def peculiar(project: Project, path: Path) -> Path:
    """The council's extract with names of several scripts, a date that many share, and empty cells."""
    with project.extract("council").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))
    heading, people = rows[0], rows[1:]
    forename, surname, dob = (heading.index(name) for name in ("forename", "surname", "dob"))
    names = [("Siân", "Llŷr-Ŵyn"), ("Adéọlá", "Ọ̀ṣun"), ("Zoë", "O’Brien"), ("李", "王"), ("", "Ōtani")]
    for number, one in enumerate(people):
        if number % 6 == 0:
            one[forename], one[surname] = names[number // 6 % len(names)]
            # So that few are alike: their first letters and sounds differ.
            one[surname] = LETTERS[number // 6 % 26] + LETTERS[number // 30 % 26] + one[surname]
        if number % 4 == 0:
            one[dob] = "1900-01-01"
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([heading, *people])
    return path


def opened(project: Project, package: Path, recipient: str, artefact: str, plain: Path) -> bytes:
    """What a package holds, to the byte."""
    key = PartyKey.load(project.keys(recipient) / f"{recipient}.party.key", project.phrase(recipient))
    agreed = load_signed(project.agreement, date.today())
    open_package(package, plain, agreement=agreed, recipient=key, artefact=artefact, today=date.today())
    found = plain.read_bytes()
    plain.unlink()
    return found


@pytest.mark.parametrize("which", ["project", "bare"], ids=["with decoys", "without decoys"])
def test_encode_on_a_cluster_gives_the_same_bytes_as_encode_here(
    cluster: Cluster, which: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Names of several scripts, common values (read twice), missing ones, versions; to the byte."""
    project: Project = request.getfixturevalue(which)
    extract = peculiar(project, tmp_path / "extract.csv")
    held, told = {}, {}
    for engine in ("spark", "local"):
        place = tmp_path / engine
        words = project.encode(place / "outbox", "council", extract=extract)
        more = ["--workers", "1", "--chunk-rows", "70", "--json"]
        done = command(cluster, *words, *more, *on(cluster, engine))
        assert done.returncode == 0, done.stderr[-3000:]
        told[engine] = json.loads(done.stdout)
        outbox = place / "outbox"
        held[engine] = [
            opened(project, outbox / f"council.{artefact}.package", party, artefact, tmp_path / "plain")
            for artefact, party in (("encodings", OPERATOR), ("payload", RELEASER), ("records", "council"))
        ]
    assert [one == other for one, other in zip(held["spark"], held["local"], strict=True)] == [True] * 3
    paths = ("encodings", "payload", "records")
    assert {k: v for k, v in told["spark"].items() if k not in paths} == {
        k: v for k, v in told["local"].items() if k not in paths
    }
    assert len(held["local"][0]) > 100_000


def encode_on(cluster: Cluster, project: Project, output: Path) -> subprocess.CompletedProcess[str]:
    arguments = project.encode(output, "council")
    more = ["--workers", "2", "--chunk-rows", "100", "--json"]
    return command(cluster, *arguments, *more, *on(cluster, "spark"))


# ---------------------------------------------------------------- link


def link_on(cluster: Cluster, engine: str, words: list[str]) -> dict[str, Any]:
    done = command(cluster, *words, "--candidates", "--json", *on(cluster, engine))
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def people(link_map: bytes) -> set[frozenset[tuple[str, bytes]]]:
    """Who is one person; a cluster draws random numbers in another order, and person IDs are random."""
    found: dict[bytes, set[tuple[str, bytes]]] = {}
    for row in pq.read_table(pa.BufferReader(link_map)).to_pylist():
        found.setdefault(row["person"], set()).add((row["party"], row["record"]))
    return {frozenset(records) for records in found.values()}


@pytest.mark.parametrize(
    ("which", "more"),
    [
        ("project", ()),
        ("bare", ()),
        ("bare", ("--every-pair", "--duplicates", "offending", "--extendable")),
        ("project", ("--memory", "20K", "--assignment", "optimal")),
    ],
    ids=["with decoys", "without decoys", "clusters and duplicates", "many parts"],
)
def test_link_on_a_cluster_gives_the_same_bytes_as_link_here(
    cluster: Cluster, which: str, more: tuple[str, ...], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Model and candidates to the byte, the link map but for random IDs, the summary but for the engine."""
    project: Project = request.getfixturevalue(which)
    told: dict[str, Any] = {}
    held: dict[str, dict[str, Any]] = {}
    for engine in ("spark", "local"):
        place = tmp_path / engine
        told[engine] = link_on(cluster, engine, [*project.link(place / "out"), *more])
        assert told[engine]["summary"].pop("engine") == engine
        folder = place / "out"
        held[engine] = {name: (folder / name).read_bytes() for name in ("model.json", "candidates.parquet")}
        held[engine]["link map"] = people(
            opened(project, folder / "linkmap.package", RELEASER, "link_map", tmp_path / "plain")
        )
        if "--extendable" in more:
            assert opened(project, folder / "state.package", OPERATOR, "linkage_state", tmp_path / "plain")
        summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
        assert summary.pop("engine") == engine
        held[engine]["summary"] = json.dumps(summary).encode()
        names = set(leftovers(folder))
        assert names == {path.name for path in (tmp_path / "spark" / "out").iterdir()}
    assert [name for name in held["local"] if held["local"][name] != held["spark"][name]] == []
    for what in ("summary", "resolution", "left_out"):
        assert told["spark"][what] == told["local"][what]
    assert told["local"]["summary"]["pairs"][0]["links"] > 20


def test_a_linkage_is_extended_on_a_cluster_as_it_is_here(
    cluster: Cluster, bare: Project, tmp_path: Path
) -> None:
    """The cohort delivers anew: who is who is found by a join of its two deliveries."""
    again = tmp_path / "again"
    done = command(cluster, *bare.encode(again / "outbox", "council"), "--json")
    assert done.returncode == 0, done.stderr[-3000:]
    others = [bare.encodings(party) for party in ("schools", "work")]
    older, newer = bare.encodings("council"), again / "outbox" / "council.encodings.package"
    before = link_on(cluster, "local", [*bare.link(tmp_path / "before", older, *others), "--extendable"])
    assert before["state"]
    told = {}
    for engine in ("spark", "local"):
        words = bare.link(tmp_path / engine / "out", older, newer, *others)
        told[engine] = link_on(cluster, engine, [*words, "--extend", tmp_path / "before"])
        told[engine]["summary"].pop("engine")
    assert told["spark"]["summary"] == told["local"]["summary"]
    assert told["local"]["summary"]["extends"]["kept"] > 100


# ---------------------------------------------------------------- no key, anywhere


def sent_by(project: Project, **more: Any) -> bytes:
    """What Spark would send to an executor for encoding, and for joining."""
    import pyspark.cloudpickle as cloudpickle

    from pseudolink.roles import spark_encoding, spark_linking
    from pseudolink.schema import load_schema

    schema = load_schema(project.schema)
    keys = project.keys("council")
    sent: list[Any] = []

    class Stop(Exception):
        pass

    class Frame:
        def mapInArrow(self, function: object, _: str) -> Frame:
            sent.append(function)
            raise Stop

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spark_encoding.spark, "one_task", lambda *_: Frame())
        patch.setattr(spark_encoding, "_values", lambda *_: None)
        encoder = spark_encoding.SparkEncoder(
            None,  # type: ignore[arg-type]
            keys / "linkage.key",
            keys / "passphrase",
            project.linkage_key(),
        )

        class Some:
            rows = 3

        with pytest.raises(Stop):
            encoder(schema, "project", Some())  # type: ignore[arg-type]
    assert len(sent) == 1
    joining = [
        partial(spark_linking.deal, tuple(schema.layout.values()), 4),
        spark_linking._named(partial(spark_linking.join_between, schema, 5), 3),
        spark_linking._named(partial(spark_linking.join_within, schema, 5), 2),
        spark_linking._named(partial(spark_linking.merge, 5), 2),
        partial(spark_linking.hold, schema),
    ]
    planted = [partial(print, one) for one in more.values()]
    return b"".join(cloudpickle.dumps(one) for one in [*sent, *joining, *planted])


def secrets_of(project: Project, party: str = "council") -> dict[str, bytes]:
    """The linkage key, every key derived from it, the key files, and both passphrases."""
    from pseudolink.encode.tokens import KeyRing
    from pseudolink.schema import load_schema

    key = project.linkage_key()
    agreed = load_signed(project.agreement, date.today())
    ring = KeyRing.derived(key.derive, load_schema(project.schema), agreed.project, party)
    plain = {"linkage key": key._secret}
    plain |= {f"derived {n}": one for n, one in enumerate(ring._keys.values())}
    for holder, name in ((party, "linkage.key"), (OPERATOR, f"{OPERATOR}.party.key")):
        # The end of a key file is what is sealed; its beginning is the same in all of them.
        plain[f"file of {holder}"] = (project.keys(holder) / name).read_bytes().strip()[-64:]
        plain[f"passphrase of {holder}"] = project.phrase(holder).encode()
    assert len(plain) > 20
    assert min(map(len, plain.values())) >= 16
    return plain


def test_a_log_event_plan_option_or_closure_gives_no_key_away(
    cluster: Cluster, project: Project, tmp_path: Path
) -> None:
    """What an administrator of the cluster can read holds no key, derived key, key file or passphrase."""
    done = encode_on(cluster, project, tmp_path / "council" / "outbox")
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout)["rows"] > 100
    link_on(cluster, "spark", project.link(tmp_path / "unit" / "out"))
    written = cluster.written()
    kinds = {path.parts[len(cluster.folder.parts)] for path in written}
    assert {"events", "work0", "work1"} <= kinds  # there is something to look at
    events = [data for path, data in written.items() if "events" in path.parts]
    assert any(b"SparkListenerSQLExecutionStart" in data for data in events)
    assert any(b"MapInArrow" in data for data in events)
    assert any(b"spark.sql.execution.arrow.maxRecordsPerBatch" in data for data in events)
    assert any(path.name.startswith("shuffle_") for path in written)  # of the linkage
    written[Path("closures")] = sent_by(project)
    assert spilt(written, secrets_of(project)) == []


def test_a_planted_key_is_found_wherever_a_cluster_writes(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    """The search above can fail: of four words, each is found where it was put."""
    words = {what: secrets.token_hex(16).encode() for what in ("option", "literal", "printed", "dealt")}
    (tmp_path / "words").write_bytes(b" ".join(words.values()))
    with spark_cluster.cluster(tmp_path_factory.mktemp("planted")) as other:
        done = drive(other, DRIVER, other.address, other.folder, "plant", tmp_path / "words")
        assert done.returncode == 0, done.stderr[-3000:]
        written = other.written()
    found: dict[str, set[str]] = {what: set() for what in words}
    for name, what in spilt(written, words):
        found[what.split(",")[0]].add(name)
    assert all(found.values()), found
    assert "stderr" in found["printed"]
    assert any(name.startswith("app-") for name in found["literal"])
    assert any(name.startswith("app-") for name in found["option"])
    assert any(name.startswith("shuffle_") for name in found["dealt"])


def test_a_planted_key_is_found_in_a_closure(project: Project) -> None:
    key = project.linkage_key()._secret
    found = spilt({Path("closures"): sent_by(project, key=key, text=key.hex())}, {"key": key})
    assert {what.split(", ")[1] for _, what in found} >= {"bytes", "hex"}


def test_a_key_does_not_go_into_a_closure(project: Project) -> None:
    """A slip of the pen that sends a key, or what was derived from it, stops before anything is sent."""
    import pyspark.cloudpickle as cloudpickle

    from pseudolink.encode.tokens import Encoder, KeyRing
    from pseudolink.schema import load_schema

    schema, key = load_schema(project.schema), project.linkage_key()
    ring = KeyRing.derived(key.derive, schema, "project")
    for one in (key, ring, Encoder(schema, ring)):
        with pytest.raises(TypeError):
            cloudpickle.dumps(partial(print, one))


def test_clear_identifiers_are_in_no_log_and_no_event(
    cluster: Cluster, project: Project, tmp_path: Path
) -> None:
    done = encode_on(cluster, project, tmp_path / "outbox")
    assert done.returncode == 0, done.stderr[-3000:]
    rows = project.extract("council").read_text(encoding="utf-8").splitlines()
    numbers = {cell for row in rows[1:] for cell in row.split(",") if len(cell) == 9 and cell[:2].isalpha()}
    postcodes = {cell for row in rows[1:] for cell in row.split(",") if " " in cell and cell[-3:-2].isdigit()}
    assert len(numbers) > 50
    assert len(postcodes) > 20
    words = [w.encode() for w in numbers | postcodes]
    found = [path.name for path, data in cluster.written().items() if any(w in data for w in words)]
    assert found == []


def test_encoding_on_a_cluster_gives_the_same_bits(cluster: Cluster, tmp_path: Path) -> None:
    """Every row's tokens and filters, of names in several scripts, missing values, empty fields."""
    done = drive(cluster, DRIVER, cluster.address, tmp_path, "encoding")
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["rows"] > 100
    assert told["identical"]
    assert told["refused"] == "PL-ENGINE-01"  # executors that see another key


def test_an_encoding_that_failed_on_the_cluster_leaves_nothing(
    cluster: Cluster, project: Project, tmp_path: Path
) -> None:
    """The key file that executors are to read is another project's: each task refuses it."""
    keys = tmp_path / "keys"
    shutil.copytree(project.keys("council"), keys)
    LinkageKey.generate().save(tmp_path / "other", project.phrase("council"))
    words = project.encode(tmp_path / "out" / "outbox", "council", keys=keys)
    exchange = {"TEST_EXCHANGES": f"{tmp_path / 'other'}:{keys / 'linkage.key'}"}
    away = replace(cluster, environment={**cluster.environment, **exchange})
    done = command(away, *words, *on(cluster, "spark"))
    assert done.returncode == 1
    assert "PL-ENGINE-01" in done.stderr
    assert not (tmp_path / "other").exists()
    assert leftovers(tmp_path / "out") == []


def test_a_cluster_that_does_not_answer_is_refused(
    cluster: Cluster, project: Project, tmp_path: Path
) -> None:
    words = project.encode(tmp_path / "out" / "outbox", "council")
    done = command(cluster, *words, "--engine", "spark", "--cluster", "spark://127.0.0.1:1")
    assert done.returncode == 1
    assert "PL-ENGINE-01" in done.stderr
    assert not (tmp_path / "out").exists()


def test_encode_on_a_cluster_does_not_ask_for_a_passphrase(project: Project, tmp_path: Path) -> None:
    """Executors read it from a file: one that was typed would have to be sent."""
    words = project.encode(tmp_path / "out" / "outbox", "council")
    at = words.index("--passphrase-file")
    phrase = project.phrase("council")
    found = CliRunner().invoke(cli, [*words[:at], *words[at + 2 :], "--engine", "spark"], input=phrase + "\n")
    assert found.exit_code == 1
    assert "PL-USE-01" in found.stderr
    assert leftovers(tmp_path) == []


def test_statistics_of_estimation_are_counted_alike(cluster: Cluster, tmp_path: Path) -> None:
    done = drive(cluster, DRIVER, cluster.address, tmp_path, "observations")
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["identical"]
    assert told["observations"] > 20


def test_the_same_over_spark_connect(cluster: Cluster, tmp_path: Path) -> None:
    """A server of Spark Connect in a process of its own: no JVM beside the driver, no RDD."""
    pytest.importorskip("grpc", reason="install: pip install 'pyspark[connect]'")
    done = drive(cluster, DRIVER, "connect", tmp_path, "parity")
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout.splitlines()[-1])["pairs"] > 1_000


def test_essnet_gives_the_same_candidates(cluster: Cluster, tmp_path: Path) -> None:
    import os

    data = os.environ.get("PSEUDOLINK_DATA")
    if not data:
        pytest.skip("PSEUDOLINK_DATA names no folder of benchmark data")
    done = drive(cluster, DRIVER, cluster.address, tmp_path, "essnet", data)
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["identical"]
    assert told["pairs"] > 20_000
