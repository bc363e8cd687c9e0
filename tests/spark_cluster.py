"""A Spark cluster of several processes on this machine: a master, two workers, their executors."""

from __future__ import annotations

import base64
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Cluster:
    """
    address: of its master. folder: everything that the cluster wrote: logs, events, work of executors.
    environment: that a driver needs, so that its own logs go there too.
    """

    address: str
    folder: Path
    environment: dict[str, str]

    @property
    def local(self) -> Path:
        """Where executors put shuffle files and broadcasts; they remove them with a driver's end."""
        return self.folder / "local"

    def written(self) -> dict[Path, bytes]:
        """Every file that master, workers, executors and drivers left."""
        return {path: path.read_bytes() for path in self.folder.rglob("*") if path.is_file()}


def spellings(secrets: Mapping[str, bytes]) -> dict[str, bytes]:
    """Each secret as it is, in hexadecimal, base64 and, where it is text, UTF-16; by what it is."""
    found = {}
    for what, secret in secrets.items():
        ways = {"bytes": secret, "hex": secret.hex().encode(), "HEX": secret.hex().upper().encode()}
        # Of three ways in which base64 can cut it, what does not depend on its neighbours.
        for shift in range(3):
            ways[f"base64 {shift}"] = base64.b64encode(b"\0" * shift + secret)[4:-4]
        with suppress(UnicodeDecodeError):
            ways["utf-16"] = secret.decode().encode("utf-16-le")
        # As Python and as Java print bytes, and as JSON escapes them.
        ways["repr"] = repr(secret)[2:-1].encode()
        ways["signed"] = ", ".join(str(b - 256 if b > 127 else b) for b in secret).encode()
        found |= {f"{what}, {way}": one for way, one in ways.items() if len(one) > 7}
    return found


def spilt(written: Mapping[Path, bytes], secrets: Mapping[str, bytes]) -> list[tuple[str, str]]:
    """(file, secret) wherever a secret stands in what was written."""
    ways = spellings(secrets)
    return [(path.name, what) for path, data in written.items() for what, one in ways.items() if one in data]


def missing() -> str | None:
    """What has to be installed before there can be a cluster, or None."""
    try:
        import pyspark  # noqa: F401
    except ImportError:
        return "install: pip install 'pyspark>=4.1,<5' (make spark-test does)"
    return (
        None if shutil.which("java") else "install: a Java runtime (apt-get install openjdk-17-jre-headless)"
    )


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """Start it, and end what was started."""
    import pyspark

    home = Path(pyspark.__file__).parent
    conf, events, local = folder / "conf", folder / "events", folder / "local"
    for one in (conf, events, local):
        one.mkdir(parents=True)
    settings = {
        "spark.eventLog.enabled": "true",
        "spark.eventLog.dir": events.as_uri(),
        "spark.eventLog.compress": "false",
        "spark.eventLog.rolling.enabled": "false",
        "spark.executor.memory": "700m",
        "spark.driver.memory": "700m",
        "spark.executor.cores": "1",
        "spark.cores.max": "2",
        "spark.sql.shuffle.partitions": "4",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        # What goes over disks and wires is to be read as it is: tests look for keys in it.
        "spark.shuffle.compress": "false",
        "spark.shuffle.spill.compress": "false",
        "spark.broadcast.compress": "false",
        "spark.rdd.compress": "false",
        "spark.local.dir": str(local),
        "spark.executorEnv.PYTHONPATH": str(ROOT),
        "spark.log.level": "INFO",
    }
    (conf / "spark-defaults.conf").write_text("".join(f"{k} {v}\n" for k, v in settings.items()))
    environment = {
        **os.environ,
        "SPARK_HOME": str(home),
        "SPARK_CONF_DIR": str(conf),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_LOCAL_DIRS": str(local),
        "PYSPARK_PYTHON": sys.executable,
        "PYTHONPATH": os.pathsep.join(
            [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "match"), os.environ.get("PYTHONPATH", "")]
        ),
    }
    port, page = _free_port(), _free_port()
    address = f"spark://127.0.0.1:{port}"
    launch = [str(home / "bin" / "spark-class")]
    master = ["org.apache.spark.deploy.master.Master", "--host", "127.0.0.1", "--port", str(port)]
    commands = [[*master, "--webui-port", str(page)]]
    for number in range(2):
        worker = ["org.apache.spark.deploy.worker.Worker", "--cores", "1", "--memory", "1g"]
        place = ["--host", "127.0.0.1", "--work-dir", str(folder / f"work{number}")]
        commands.append([*worker, *place, "--webui-port", str(_free_port()), address])
    started: list[subprocess.Popen[bytes]] = []
    try:
        for number, command in enumerate(commands):
            with (folder / f"process{number}.log").open("wb") as log:
                started.append(subprocess.Popen([*launch, *command], env=environment, stdout=log, stderr=log))
        _wait_for_workers(page)
        yield Cluster(address, folder, environment)
    finally:
        for process in reversed(started):
            process.terminate()
        for process in started:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_for_workers(page: int) -> None:
    for _ in range(240):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{page}/json/", timeout=2) as answer:
                if answer.read().count(b'"ALIVE"') == 3:  # the master, and both workers
                    return
        except OSError:
            pass
        time.sleep(0.5)
    raise RuntimeError("the workers did not come up")
