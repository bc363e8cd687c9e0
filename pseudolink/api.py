"""
The public Python surface: DataFrames in, DataFrames out.

For notebooks and trials. Between organisations use the roles: they seal, sign and keep receipts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from pseudolink.encode.floor import Company
from pseudolink.engines.threads import run
from pseudolink.errors import LinkageError
from pseudolink.formats import pairs as pair_files
from pseudolink.formats.encodings import Encodings, to_table
from pseudolink.formats.statistics import Statistics
from pseudolink.keys.linkage import LinkageKey
from pseudolink.match import dice
from pseudolink.portable import processors
from pseudolink.roles import rehearsal
from pseudolink.roles.encoding import Options, coverage, encode_table
from pseudolink.roles.linkage import Delivery, link_all
from pseudolink.schema import LinkageSchema


@dataclass(frozen=True)
class EncodedExtract:
    """
    An encoded extract in memory.

    encodings: n rows in random order. source: pandas Series of n row numbers of the extract, in
    the same order; it stays with whoever holds the extract.
    """

    encodings: Encodings
    chance: Statistics
    company: Company
    coverage: Mapping[str, int]
    source: pd.Series[int]

    def frame(self) -> pd.DataFrame:
        """The encodings as a DataFrame: ``record`` and, by pass, ``<pass>.token``, ``<pass>.filter``."""
        frame: pd.DataFrame = to_table(self.encodings).to_pandas()
        return frame


def encode(
    df: Any,
    schema: LinkageSchema,
    key: LinkageKey,
    *,
    project: str = "local",
    party: str = "",
    options: Options | None = None,
) -> EncodedExtract:
    """
    Clean and encode an extract in memory.

    Args:
        df: pandas DataFrame, Arrow table, anything with ``__arrow_c_stream__``, or a path.
        project: part of the key derivation; both sides of a linkage give the same one.
        party: whose extract it is. Where the schema has decoys, the sides of a linkage give different
            ones, or equal records of theirs have equal decoys.

    Raises:
        MissingColumnsError, UnusableFieldError, FieldRuleError, FloorError: see ``roles.encoding``.

    Source: specs/encoding-v1.md.
    """
    encoded, fared = encode_table(df, schema, key.derive, project, party=party, options=options or Options())
    return EncodedExtract(
        encoded.encodings, encoded.chance, encoded.company, coverage(fared), pd.Series(encoded.source)
    )


def link(
    encodings: Mapping[str, EncodedExtract], schema: LinkageSchema, *, min_precision: float | None = None
) -> pd.DataFrame:
    """
    Link encoded extracts, each against the first.

    Args:
        encodings: name -> encoded extract, the cohort first.

    Returns:
        DataFrame of links: ``left``, ``left_record``, ``right``, ``right_record`` (16 bytes each),
        ``weight`` (bits), ``probability``.

    Raises:
        LinkageError: fewer than two extracts.

    Source: specs/matching-v1.md, specs/scoring-v1.md.
    """
    if len(encodings) < 2:
        raise LinkageError("linking needs at least two encoded extracts")
    deliveries = [
        Delivery(name, name, one.encodings, one.chance, one.company.to_json(), dict(one.coverage), schema)
        for name, one in encodings.items()
    ]
    frames = []
    for found in link_all(deliveries, min_precision=min_precision):
        pairs, accepted = found.scored.candidates, found.accepted
        left = found.left.encodings.records[pairs.left[accepted]]
        right = found.right.encodings.records[pairs.right[accepted]]
        frames.append(
            pd.DataFrame(
                {
                    "left": found.left.party,
                    "left_record": [bytes(r) for r in left],
                    "right": found.right.party,
                    "right_record": [bytes(r) for r in right],
                    "weight": found.scored.weight[accepted],
                    "probability": found.scored.probability[accepted],
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def rehearse(
    frames: Sequence[Any],
    schema: LinkageSchema,
    truth: str,
    *,
    keep: Path | None = None,
    min_precision: float | None = None,
    options: Options | None = None,
) -> dict[str, Any]:
    """
    The whole pipeline on two or more tables (or files) with known truth.

    Returns:
        see :func:`pseudolink.roles.rehearsal.rehearse`.
    """
    return rehearsal.rehearse(frames, schema, truth, keep=keep, min_precision=min_precision, options=options)


def _threads(wanted: int | None) -> int:
    return wanted or processors()


def dice_pairs(
    left: Any,
    right: Any,
    threshold: dice.Threshold,
    *,
    best: int | None = None,
    most: int = dice.MOST_PAIRS,
    threads: int | None = None,
) -> dice.Pairs:
    """
    Find every pair of filters whose Dice coefficient reaches the threshold; on all processors.

    Args:
        left: (n, w) uint64; n filters of 64 w bits.
        right: (m, w) uint64; same w.
        threshold: above 0, at most 1: a fraction, text such as "4/5", or a number, which is taken
            as the decimal it is written as. Compared exactly, in integers.
        best: of each left filter keep only so many best pairs, and what ties with the last of them.
        most: stop beyond this number of pairs; :func:`write_dice_pairs` has no such limit.
        threads: as many as there are processors when None.

    Returns:
        (i, j, dice): int64, int64, float64 of equal length, ordered by i, then j.
        Two empty filters are not a pair: absent evidence is not agreement.

    Raises:
        FilterWidthError: not (n, w) uint64, or left and right differ in w.
        UsageError: a threshold or number out of range.
        TooManyPairsError: more pairs than ``most``; carries a suggested threshold.

    Source: specs/matching-v1.md, section 4.
    """
    count = _threads(threads)
    return dice.dice_pairs(
        left, right, threshold, best=best, most=most, run=partial(run, threads=count), threads=count
    )


def write_dice_pairs(
    path: Path | str,
    left: Any,
    right: Any,
    threshold: dice.Threshold,
    *,
    best: int | None = None,
    threads: int | None = None,
    report: Callable[[str, int, int], None] | None = None,
) -> int:
    """
    Write what :func:`dice_pairs` finds to a new .parquet or .csv file: columns left, right, dice.

    Memory does not grow with the number of pairs, which is returned.

    Raises:
        FilterWidthError, UsageError: see :func:`dice_pairs`; or a file of another kind.
        OutputExistsError, OutputError: see :func:`pseudolink.files.new_file`.

    Source: specs/matching-v1.md, section 4.
    """
    count = _threads(threads)
    chunks = dice.pair_chunks(
        left, right, threshold, best=best, run=partial(run, threads=count), threads=count
    )

    def told() -> Iterable[dice.Pairs]:
        for done, pairs in chunks:
            yield pairs
            if report:
                report("compare", done, len(left))

    return pair_files.save(Path(path), told())
