"""engines-v1: a cluster finds what this machine finds, and learns no key."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import spark_cluster
from project_on_disk import Project, build
from spark_cluster import Cluster

if spark_cluster.missing():
    # Not a skip for want of a package in the sense of CI: `make spark-test` is where these run.
    pytest.skip((spark_cluster.missing() or "").replace("needs: ", "install: "), allow_module_level=True)

pytestmark = pytest.mark.slow

DRIVER = Path(__file__).parent / "spark_driver.py"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with spark_cluster.cluster(tmp_path_factory.mktemp("cluster")) as found:
        yield found


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return build(tmp_path_factory.mktemp("project") / "demo", 600)


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


def test_reference_numba_and_spark_give_identical_pairs(cluster: Cluster, tmp_path: Path) -> None:
    """Random encodings, versions, many shards, a giant block, nobody: all to the bit."""
    done = drive(cluster, DRIVER, cluster.address, tmp_path, "parity")
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["cases"] >= 8
    assert told["pairs"] > 1_000
    assert told["giants"] > 0
    assert told["executors"] >= 2


def link_on(cluster: Cluster, project: Project, output: Path, *more: object) -> dict[str, Any]:
    arguments = [*project.link(output), "--candidates", "--json", *map(str, more)]
    done = drive(cluster, "-m", "pseudolink.cli.main", *arguments)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_link_on_a_cluster_gives_what_link_here_gives(
    cluster: Cluster, project: Project, tmp_path: Path
) -> None:
    spark = ("--engine", "spark", "--cluster", cluster.address)
    there = link_on(cluster, project, tmp_path / "there", *spark)
    here = link_on(cluster, project, tmp_path / "here")
    assert there["summary"].pop("engine") == "spark"
    assert here["summary"].pop("engine") == "local"
    assert there["summary"] == here["summary"]
    assert there["resolution"] == here["resolution"]
    assert here["summary"]["pairs"][0]["links"] > 50
    names = ["model.json", "candidates.parquet"]
    for name in names:
        one, other = ((tmp_path / side / name).read_bytes() for side in ("there", "here"))
        assert one == other, name


def encode_on(cluster: Cluster, project: Project, output: Path) -> subprocess.CompletedProcess[str]:
    arguments = project.encode(output, "council")
    more = ["--engine", "spark", "--cluster", cluster.address, "--chunk-rows", "100", "--json"]
    return drive(cluster, "-m", "pseudolink.cli.main", *arguments, *more)


def closure_of(project: Project) -> bytes:
    """What Spark would send to an executor for encoding, and for joining."""
    from functools import partial

    from pyspark import cloudpickle

    from pseudolink.roles import spark_encoding, spark_linking
    from pseudolink.schema import load_schema

    schema = load_schema(project.schema)
    keys = project.keys("council")
    sent: list[Any] = []

    class Frame:
        def mapInArrow(self, function: object, _: str) -> Frame:
            sent.append(function)
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spark_encoding.spark, "spread", lambda *_: Frame())
        patch.setattr(spark_encoding, "_values", lambda *_: None)
        encoder = spark_encoding.SparkEncoder(
            None,
            keys / "linkage.key",
            keys / "passphrase",
            project.linkage_key(),  # type: ignore[arg-type]
        )
        with pytest.raises(KeyboardInterrupt):
            list(encoder(schema, "project", None, [np.arange(3)]))  # type: ignore[arg-type]
    joining = [
        spark_linking._named(partial(spark_linking.join_between, schema, 5), 3),
        spark_linking._named(partial(spark_linking.join_within, schema, 5), 2),
        partial(spark_linking.hold, schema),
    ]
    assert len(sent) == 1
    return b"".join(cloudpickle.dumps(one) for one in [*sent, *joining])


def secrets_of(project: Project) -> dict[str, bytes]:
    """The linkage key, keys derived from it, both passphrases and their usual spellings."""
    from pseudolink.encode.tokens import KeyRing
    from pseudolink.schema import load_schema

    key = project.linkage_key()
    agreed = project.agreement.read_text()
    name = next(line.split('"')[1] for line in agreed.splitlines() if line.startswith("project"))
    ring = KeyRing.derived(key.derive, load_schema(project.schema), name)
    plain = {"linkage key": key._secret, "file": (project.keys("council") / "linkage.key").read_bytes()[:60]}
    plain |= {f"derived {n}": one for n, one in enumerate(ring._keys.values())}
    for party in ("council", "linkage-unit"):
        if (project.keys(party) / "passphrase").exists():
            plain[f"passphrase of {party}"] = project.phrase(party).encode()
    found = {}
    for what, secret in plain.items():
        text = {"hex": secret.hex().encode(), "HEX": secret.hex().upper().encode()}
        # Of three ways in which base64 can cut it, what does not depend on its neighbours.
        for shift in range(3):
            text[f"base64 {shift}"] = base64.b64encode(b"\0" * shift + secret)[4:-4]
        if what.startswith("passphrase"):
            text["utf-16"] = secret.decode().encode("utf-16-le")
        found |= {f"{what}, {how}": one for how, one in {"bytes": secret, **text}.items() if len(one) > 7}
    return found


def test_a_log_event_plan_closure_or_shuffle_file_gives_no_key_away(
    cluster: Cluster, project: Project, tmp_path: Path
) -> None:
    """What an administrator of the cluster can read holds neither key, passphrase nor derived key."""
    done = encode_on(cluster, project, tmp_path / "outbox")
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout)["rows"] > 100
    written = cluster.written()
    kinds = {path.parts[len(cluster.folder.parts)] for path in written}
    assert {"events", "work0", "work1"} <= kinds  # there is something to look at
    assert any(b"SparkListenerSQLExecutionStart" in data for data in written.values())
    written[Path("closures")] = closure_of(project)
    secrets = secrets_of(project)
    assert len(secrets) > 20
    found = [
        (path.name, what) for path, data in written.items() for what, one in secrets.items() if one in data
    ]
    assert found == []


def test_clear_identifiers_are_in_no_log_and_no_event(
    cluster: Cluster, project: Project, tmp_path: Path
) -> None:
    done = encode_on(cluster, project, tmp_path / "outbox")
    assert done.returncode == 0, done.stderr[-3000:]
    rows = project.extract("council").read_text().splitlines()
    numbers = {cell for row in rows[1:] for cell in row.split(",") if len(cell) == 9 and cell[:2].isalpha()}
    postcodes = {cell for row in rows[1:] for cell in row.split(",") if " " in cell and cell[-3:-2].isdigit()}
    assert len(numbers) > 50
    assert len(postcodes) > 50
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
    arguments = project.encode(tmp_path / "outbox", "council")
    done = drive(
        cluster,
        "-m",
        "pseudolink.cli.main",
        *arguments,
        "--engine",
        "spark",
        "--cluster",
        "spark://127.0.0.1:1",
    )
    assert done.returncode == 1
    assert "PL-ENGINE-01" in done.stderr
    assert list(tmp_path.iterdir()) == []


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


def test_candidates_file_is_read(project: Project, cluster: Cluster, tmp_path: Path) -> None:
    """The operator's file for review can be made from pairs that a cluster found."""
    spark = ("--engine", "spark", "--cluster", cluster.address)
    link_on(cluster, project, tmp_path / "out", *spark)
    assert pq.read_table(tmp_path / "out" / "candidates.parquet").num_rows > 0
