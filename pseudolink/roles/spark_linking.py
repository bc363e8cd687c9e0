"""
The operator's joins on a Spark cluster: tokens dealt by pass and prefix, joined by the local kernels.

No key is in it: executors see encodings, which are what the operator holds anyway. Rows are known by
their place in the file, and the result is put in the order of matching-v1, 1.5; so it is the same, to
the bit, as on one machine.

Source: specs/engines-v1.md, section 2; specs/matching-v1.md, sections 1 and 2.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pseudolink.engines import spark
from pseudolink.errors import LinkageError
from pseudolink.formats import encodings as files
from pseudolink.formats.candidates import Candidates, Giants, Presence
from pseudolink.formats.encodings import (
    RECORD_BYTES,
    TOKEN_WORDS,
    Encodings,
    Layout,
    PassColumns,
    fixed_values,
)
from pseudolink.formats.stored import StoredPasses
from pseudolink.match import compare, join
from pseudolink.match.shards import Work
from pseudolink.schema import LinkageSchema

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

DEALT = "pass int, part int, row long, token binary, filter binary"
FOUND = "range long, pass int, left long, right long, levels long"
MERGED = "range long, pass int, left long, right long, shared long, levels long"
HELD = "row long, tokens long, fields long"

#: Bytes that one task may join at a time, where nothing else is said.
TASK_MEMORY = 256 << 20
#: Left rows whose pairs are merged by one task.
RANGE_ROWS = 500_000
# Rows that are no pairs have this range: what a shard left out, as (pass, which count, how many).
_TOLD = -1
_TOO_MANY = 4


def _fixed(column: pa.Array, width: int) -> npt.NDArray[np.uint8]:
    """(n, width) uint8 of a column of binary values of one length, without nulls."""
    return fixed_values(column.cast(pa.binary(width)))[0]


def _columns(table: pa.Table | pa.RecordBatch, number: int, width: int) -> PassColumns:
    raw, present = fixed_values(table.column(f"t{number}").cast(pa.binary(16)))
    filters = fixed_values(table.column(f"f{number}").cast(pa.binary(width)))[0] if width else None
    tokens = raw.view("<u8").astype(np.uint64).reshape(len(raw), TOKEN_WORDS)
    return PassColumns(tokens, present, filters)


def deal(widths: tuple[int, ...], parts: int, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """One row for every token: its pass, the part that its leading bits say, row, token and filter."""
    shift = np.uint64(64 - (parts.bit_length() - 1)) if parts > 1 else None
    for batch in batches:
        rows = batch.column("row")
        for number, width in enumerate(widths):
            tokens = batch.column(f"t{number}")
            there = tokens.is_valid()
            kept = tokens.filter(there)
            words = np.ascontiguousarray(_fixed(kept, 16)).view("<u8").reshape(len(kept), TOKEN_WORDS)
            part = np.zeros(len(kept), np.int32) if shift is None else (words[:, 0] >> shift).astype(np.int32)
            filters = batch.column(f"f{number}").filter(there) if width else pa.nulls(len(kept), pa.binary())
            yield pa.RecordBatch.from_arrays(
                [
                    pa.array(np.full(len(kept), number, np.int32)),
                    pa.array(part),
                    rows.filter(there),
                    kept.cast(pa.binary()),
                    filters.cast(pa.binary()),
                ],
                names=["pass", "part", "row", "token", "filter"],
            )


def _side(table: pa.Table, width: int) -> tuple[PassColumns, npt.NDArray[np.int64]]:
    """A dealt part in the order of its rows, and which rows those are."""
    rows = table.column("row").to_numpy()
    order = np.argsort(rows)
    table = table.take(pa.array(order)).combine_chunks()
    tokens = fixed_values(table.column("token").cast(pa.binary(16)))[0]
    filters = fixed_values(table.column("filter").cast(pa.binary(width)))[0] if width else None
    words = tokens.view("<u8").astype(np.uint64).reshape(len(tokens), TOKEN_WORDS)
    return PassColumns(words, np.ones(len(words), dtype=bool), filters), rows[order]


def _found(number: int, columns: Mapping[str, npt.NDArray[Any]]) -> pa.Table:
    count = len(columns["range"])
    return pa.table(
        {
            "range": pa.array(columns["range"], pa.int64()),
            "pass": pa.array(np.full(count, number, np.int32)),
            **{name: pa.array(columns[name], pa.int64()) for name in ("left", "right", "levels")},
        }
    )


def _joined(
    schema: LinkageSchema, within: bool, width: int, number: int, left: pa.Table, right: pa.Table
) -> pa.Table:
    one = schema.passes[number]
    a, a_rows = _side(left, schema.layout[one.name])
    b, b_rows = (a, a_rows) if within else _side(right, schema.layout[one.name])
    most = {} if within else {"most": join.MOST_BLOCK_PAIRS}
    try:
        i, j, giant = join.join_pass(a, b, name=one.name, within=within, **most)
    except LinkageError:
        # Told as a row: an exception would come back as text of the cluster's own.
        i = j = np.zeros(0, dtype=np.int64)
        giant = Giants(one.name, 0, 0, 0, 0)
        refused = np.asarray([1])
    else:
        refused = np.asarray([0])
    levels = compare.pass_levels(schema, number, a, b, i, j)
    counts = np.concatenate([np.asarray(giant[1:], dtype=np.int64), refused])
    which = np.flatnonzero(counts)
    return _found(
        number,
        {
            "range": np.concatenate([a_rows[i] // width, np.full(len(which), _TOLD)]),
            "left": np.concatenate([a_rows[i], which]),
            "right": np.concatenate([b_rows[j], counts[which]]),
            "levels": np.concatenate(
                [np.zeros(len(i), np.int64) if levels is None else levels, np.zeros(len(which), np.int64)]
            ),
        },
    )


def join_between(
    schema: LinkageSchema, width: int, key: tuple[Any, ...], left: pa.Table, right: pa.Table
) -> pa.Table:
    """The pairs of one pass and part of two parties, and what was left out."""
    return _joined(schema, False, width, key[0].as_py(), left, right)


def join_within(schema: LinkageSchema, width: int, key: tuple[Any, ...], table: pa.Table) -> pa.Table:
    """The pairs of one pass and part inside one party."""
    return _joined(schema, True, width, key[0].as_py(), table, table)


def merge(rows: int, key: tuple[Any, ...], table: pa.Table) -> pa.Table:
    """Pairs of a range of left rows, each once, with all passes that it shares and its best levels."""
    passes, left, right, levels = (table.column(n).to_numpy() for n in ("pass", "left", "right", "levels"))
    if key[0].as_py() == _TOLD:
        nothing = np.zeros(len(left), dtype=np.int64)
        return _merged(key[0].as_py(), passes, left, right, nothing, nothing)
    width = np.uint64(max(rows, 1))
    keys, bits, shown = [], [], []
    for number in np.unique(passes).tolist():
        at = np.flatnonzero(passes == number)
        keys.append(left[at].astype(np.uint64) * width + right[at].astype(np.uint64))
        bits.append(np.full(len(at), np.uint64(1) << np.uint64(number), dtype=np.uint64))
        shown.append(levels[at])
    # Sorting writes into what it is given, and the keys are needed once more.
    pairs, shared = join.together([k.copy() for k in keys], bits, (int(left.max()) + 1) * int(width))
    best = np.zeros(len(pairs), dtype=np.int64)
    for some, seen in zip(keys, shown, strict=True):
        place = np.searchsorted(pairs, some)
        best[place] = compare.better_levels(best[place], seen)
    i, j = (pairs // width).astype(np.int64), (pairs % width).astype(np.int64)
    return _merged(key[0].as_py(), np.zeros(len(i), np.int32), i, j, shared.view(np.int64), best)


def _merged(at: int, passes: Any, left: Any, right: Any, shared: Any, levels: Any) -> pa.Table:
    long = {"left": left, "right": right, "shared": shared, "levels": levels}
    return pa.table(
        {
            "range": pa.array(np.full(len(left), at, np.int64)),
            "pass": pa.array(passes, pa.int32()),
            **{name: pa.array(values, pa.int64()) for name, values in long.items()},
        }
    )


def hold(schema: LinkageSchema, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """For every row the passes that it has a token in, and the compared fields that it holds."""
    for batch in batches:
        passes = {
            name: _columns(batch, number, width) for number, (name, width) in enumerate(schema.layout.items())
        }
        some = Encodings(np.zeros((batch.num_rows, RECORD_BYTES), np.uint8), passes)
        yield pa.RecordBatch.from_arrays(
            [
                batch.column("row"),
                pa.array(join.token_presence(some).view(np.int64)),
                pa.array(compare.field_presence(some, schema)),
            ],
            names=["row", "tokens", "fields"],
        )


@dataclass(frozen=True)
class SparkJoins:
    """
    What ``linkage.Joins`` asks for, on a cluster.

    folder: seen by the driver and all executors under one path; encodings are written there only
    where they are not in a file already. memory: bytes that a task may join at a time.
    """

    session: SparkSession
    folder: Path
    memory: int = TASK_MEMORY
    _written: list[tuple[Mapping[str, PassColumns], Path]] = field(default_factory=list, repr=False)

    def _path(self, one: Encodings) -> Path:
        """The file that holds its passes."""
        if isinstance(one.passes, StoredPasses):
            return one.passes.path
        for passes, path in self._written:
            if passes is one.passes:
                return path
        path = self.folder / f"taken-{secrets.token_hex(4)}.parquet"
        files.save(one, path)
        self._written.append((one.passes, path))
        return path

    def _frame(self, one: Encodings, layout: Layout) -> DataFrame:
        """A party's file as a frame: the place of every row, tokens t0, t1, … and filters f0, f1, …"""
        from pyspark.sql.functions import col

        path = self._path(one)
        columns = [col("_metadata.row_index").alias("row")]
        for number, (name, width) in enumerate(layout.items()):
            columns.append(col(f"`{name}.token`").alias(f"t{number}"))
            columns += [col(f"`{name}.filter`").alias(f"f{number}")] if width else []
        # A folder called "party=x" on the way must not become a column.
        reader = self.session.read.option("recursiveFileLookup", "true")
        return reader.parquet(spark.address_of(path)).select(*columns)

    def _dealt(self, one: Encodings, layout: Layout, parts: int) -> DataFrame:
        widths = tuple(layout.values())
        return self._frame(one, layout).mapInArrow(partial(deal, widths, parts), DEALT)

    def pairs(self, left: Encodings, right: Encodings | None, schema: LinkageSchema) -> DataFrame:
        """
        Candidate pairs of rows as a frame of :data:`MERGED`, in no order.

        Args:
            right: None for the pairs within one party.
        """
        other = left if right is None else right
        layout = schema.layout
        parts = Work.ranges_of(left.rows + other.rows, self.memory)
        dealt = self._dealt(left, layout, parts).groupBy("pass", "part")
        if right is None:
            found = dealt.applyInArrow(_named(partial(join_within, schema, RANGE_ROWS), 2), FOUND)
        else:
            beside = self._dealt(right, layout, parts).groupBy("pass", "part")
            found = dealt.cogroup(beside).applyInArrow(
                _named(partial(join_between, schema, RANGE_ROWS), 3), FOUND
            )
        return found.groupBy("range").applyInArrow(_named(partial(merge, other.rows), 2), MERGED)

    def _rows(self, left: Encodings, right: Encodings | None, schema: LinkageSchema) -> Candidates:
        if not left.rows or (right is not None and not right.rows):
            none = np.zeros(0, dtype=np.int64)
            return Candidates(none, none, none.astype(np.uint64), none)
        with spark.jobs("join"):
            table = spark.collected(self.pairs(left, right, schema))
        names = ("range", "pass", "left", "right", "shared", "levels")
        columns = {name: table.column(name).to_numpy() for name in names}
        told = columns["range"] == _TOLD
        giants = _giants(schema, *(columns[n][told] for n in ("pass", "left", "right")))
        pairs = {name: columns[name][~told] for name in names[2:]}
        order = np.lexsort((pairs["right"], pairs["left"]))
        i, j, shared, levels = (pairs[name][order] for name in names[2:])
        # A writer that reads numbers without a sign: bit 63 is a pass like the others.
        return Candidates(i, j, shared.view(np.uint64), levels, giants=giants)

    def candidates(
        self,
        left: Encodings,
        right: Encodings,
        schema: LinkageSchema,
        *,
        work: Work | None = None,
        report: Callable[[int, int], None] | None = None,
    ) -> Candidates:
        """As ``compare.candidates``; the cluster keeps what is half done, ``work`` is not used."""
        if report:
            report(0, 1)
        found = self._rows(left, right, schema)
        if report:
            report(1, 1)
        return compare.of_records(found, left, right)

    def company(self, one: Encodings, schema: LinkageSchema) -> Candidates:
        """As ``compare.company``."""
        return compare.of_records(self._rows(one, None, schema), one, None)

    def shows(self, one: Encodings, schema: LinkageSchema) -> Presence:
        """As ``compare.shows``."""
        tokens, fields = np.zeros(one.rows, dtype=np.uint64), np.zeros(one.rows, dtype=np.int64)
        if one.rows:
            with spark.jobs("count tokens"):
                table = spark.collected(self.held(one, schema))
            at = table.column("row").to_numpy()
            tokens[at] = table.column("tokens").to_numpy().view(np.uint64)
            fields[at] = table.column("fields").to_numpy()
        return compare.presence_of(one, tokens, fields)

    def held(self, one: Encodings, schema: LinkageSchema) -> DataFrame:
        """What every row holds, as a frame of :data:`HELD`."""
        return self._frame(one, schema.layout).mapInArrow(partial(hold, schema), HELD)

    def observations(self, left: Encodings, right: Encodings, schema: LinkageSchema) -> DataFrame:
        """
        The statistics that estimation rests on: candidate pairs counted by view and observation.

        Returns:
            a frame of ``tokens`` and ``fields``, which both rows hold; ``shared`` and ``levels``, which
            the pair shows; and ``pairs``, how many do (scoring-v1, 4).
        """
        from pyspark.sql.functions import col, count, lit

        sides = [
            self.held(one, schema).select(
                col("row").alias(name), col("tokens").alias(f"{name}_t"), col("fields").alias(f"{name}_f")
            )
            for name, one in (("left", left), ("right", right))
        ]
        pairs = self.pairs(left, right, schema).where(col("range") != _TOLD)
        both = pairs.join(sides[0], "left").join(sides[1], "right")
        return (
            both.select(
                col("left_t").bitwiseAND(col("right_t")).alias("tokens"),
                col("left_f").bitwiseAND(col("right_f")).alias("fields"),
                "shared",
                "levels",
            )
            .groupBy("tokens", "fields", "shared", "levels")
            .agg(count(lit(1)).alias("pairs"))
        )


class SparkEngine:
    """What ``operator.Engine`` asks for: a session that is opened when it is needed."""

    name = "spark"

    def __init__(self, where: str | None) -> None:
        self._where = where

    def joins(self, folder: Path, memory: int | None) -> SparkJoins:
        """
        Joins on the cluster, of encodings in a folder that all executors see.

        Raises:
            MissingDependencyError, ClusterError: there is no PySpark, or no cluster.
        """
        return SparkJoins(spark.open_session(self._where), folder, memory or TASK_MEMORY)


def _named(function: Callable[..., pa.Table], arguments: int) -> Callable[..., pa.Table]:
    """PySpark counts the arguments of a grouped function; of a partial one it counts all."""
    if arguments == 2:
        return lambda key, table: function(key, table)
    return lambda key, left, right: function(key, left, right)


def _giants(schema: LinkageSchema, passes: Any, which: Any, counts: Any) -> tuple[Giants, ...]:
    if (which == _TOO_MANY).any():
        name = schema.passes[int(passes[which == _TOO_MANY][0])].name
        raise LinkageError(
            f"pass {name!r} alone brings more than {join.MOST_PAIRS:,} pairs, the most that are compared",
            advice="Its blocks are too large: add a component to its `on`.",
        )
    found = []
    for number in sorted(set(passes.tolist())):
        sums = [int(counts[(passes == number) & (which == kind)].sum()) for kind in range(_TOO_MANY)]
        found.append(Giants(schema.passes[number].name, *sums))
    return tuple(found)
