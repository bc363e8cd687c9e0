"""
Work on a Spark cluster: a session, and functions over Arrow batches. Knows neither stage nor key.

DataFrames alone are used, never the RDD interface or a ``sparkContext``, so that the same code runs in
a classic session and over Spark Connect. What is sent to executors is the name of a function of this
package and its arguments: whoever calls gives arguments that may be read in a log.

Source: specs/engines-v1.md.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pseudolink.engines.errors import ClusterError
from pseudolink.errors import MissingDependencyError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

#: Rows of an Arrow batch: small enough that a batch of every pass fits beside the tables.
BATCH_ROWS = 20_000

_SETTINGS = {
    "spark.sql.execution.arrow.maxRecordsPerBatch": str(BATCH_ROWS),
    # Python's traceback may hold what a batch holds; the JVM's own message is enough.
    "spark.sql.execution.pyspark.udf.simplifiedTraceback.enabled": "true",
}


def open_session(where: str | None) -> SparkSession:
    """
    The session of a cluster.

    Args:
        where: the address of Spark Connect (``sc://…``) or of a master (``spark://…``, ``local[2]``);
            None takes the session that is there (a notebook's) or what the environment configures.

    Raises:
        MissingDependencyError: PySpark is not installed.
        ClusterError: the cluster does not answer.
    """
    try:
        from pyspark.errors import PySparkException
        from pyspark.sql import SparkSession
    except ImportError:
        raise MissingDependencyError(
            "--engine spark needs PySpark 4", advice="Install it: pip install 'pseudolink[spark]'."
        ) from None
    if where is not None and where.startswith("local"):
        # Executors on this machine: they need what this Python has installed.
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder: Any = SparkSession.builder.appName("pseudolink")
    if where is not None:
        builder = builder.remote(where) if where.startswith("sc://") else builder.master(where)
    try:
        session: SparkSession = builder.getOrCreate()
        for name, value in _SETTINGS.items():
            session.conf.set(name, value)
    except (PySparkException, OSError, RuntimeError) as error:
        raise ClusterError(f"the cluster does not answer ({type(error).__name__})") from None
    except Exception as error:  # Py4J and gRPC raise classes of their own, which need not be installed
        if type(error).__module__.split(".")[0] not in {"py4j", "grpc"}:
            raise
        raise ClusterError(f"the cluster does not answer ({type(error).__name__})") from None
    return session


@contextmanager
def jobs(what: str) -> Iterator[None]:
    """
    Jobs whose failures become one error, without the text of it: that may hold what a task held.

    Raises:
        ClusterError: a job failed.
    """
    from pyspark.errors import PySparkException

    try:
        yield
    except PySparkException as error:
        raise _failed(what, error) from None
    except Exception as error:
        if type(error).__module__.split(".")[0] not in {"py4j", "grpc"}:
            raise
        raise _failed(what, error) from None


def _failed(what: str, error: Exception) -> ClusterError:
    # A condition is a name out of Spark's list, such as PATH_NOT_FOUND; the text may hold anything.
    condition = getattr(error, "getCondition", lambda: None)() or type(error).__name__
    return ClusterError(
        f"a job of the cluster failed while it was to {what} ({condition})",
        advice="Its executors need this version of pseudolink, and must see the same files under the same "
        "paths; the log of the failed task on the cluster has the rest.",
    )


def address_of(path: Path) -> str:
    """
    How a cluster reads a file that this machine sees under ``path``.

    A volume of Databricks is one path everywhere and takes no scheme; elsewhere, without ``file:``, a
    cluster would look in its own file system.
    """
    whole = str(path.absolute())
    return whole if whole.startswith(("/Volumes/", "/Workspace/")) else f"file://{whole}"


def collected(frame: DataFrame) -> pa.Table:
    """All rows of a frame, in memory; their order is the cluster's own."""
    return frame.toArrow()


def one_task(session: SparkSession, table: pa.Table) -> DataFrame:
    """
    A frame of rows that are in memory here, for one task.

    Not shuffled, which would write them to disks: parts of it are only read one after the other.
    """
    return session.createDataFrame(table).coalesce(1)
