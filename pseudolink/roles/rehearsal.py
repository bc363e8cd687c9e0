"""
Rehearsal: the whole pipeline on files with known truth, to see how well it links.

The truth column is taken out before the first stage and looked at after the last one.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pseudolink import files
from pseudolink.clean.reader import column_key, read_extract, sheet_of
from pseudolink.encode.extract import Encoded
from pseudolink.errors import UsageError
from pseudolink.formats import encodings as encoding_files
from pseudolink.formats import linkmap, reviews
from pseudolink.formats import payload as payloads
from pseudolink.formats.encodings import fixed_column
from pseudolink.keys.linkage import LinkageKey
from pseudolink.portable import peak_memory
from pseudolink.roles import duplicates
from pseudolink.roles.candidates import candidates_table, expected_of
from pseudolink.roles.encoding import Options, columns_of, coverage, encode_table
from pseudolink.roles.explaining import MODEL_FILE, model_of
from pseudolink.roles.linkage import Delivery, PairLinkage, Report, link_all, quiet
from pseudolink.roles.payload import columns_by_name, payload_table
from pseudolink.roles.people import People, link_map, people_of
from pseudolink.roles.resolving import Rules
from pseudolink.schema import LinkageSchema
from pseudolink.score import quality

PACKAGES = ("pseudolink", "numpy", "pyarrow", "numba", "scipy", "cryptography", "jellyfish")
ENGINE = "local"


class Clock:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._begin = time.perf_counter()

    @contextmanager
    def stage(self, name: str):  # type: ignore[no-untyped-def]
        """Add the time of the block to a stage."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - begin

    def result(self) -> dict[str, float]:
        """Seconds by stage, and in all under ``total``."""
        return {**self.seconds, "total": time.perf_counter() - self._begin}


def versions() -> dict[str, str]:
    """Versions of this software and of what decides its results."""
    return {"python": sys.version.split()[0], **{name: version(name) for name in PACKAGES}}


@dataclass(frozen=True)
class Side:
    """
    One file of a rehearsal: what the pipeline made of it, and its truth.

    by_row: (n,) the truth of every row of the encodings. truth: the truth of every record.
    """

    delivery: Delivery
    encoded: Encoded
    payload: pa.Table
    by_row: npt.NDArray[np.object_]
    truth: npt.NDArray[np.object_]


def _side(
    source: Any, name: str, schema: LinkageSchema, key: LinkageKey, truth: str, options: Options, clock: Clock
) -> Side:
    with clock.stage("read"):
        table = (
            source
            if isinstance(source, pa.Table)
            else read_extract(source, sheet=sheet_of(source, options.sheet))
        )
        column = columns_by_name(table.column_names, [truth], source=name)[truth]
        known = np.asarray(table.column(column).to_pylist(), dtype=object)
        known = np.asarray([(v or "").strip() or None for v in known], dtype=object)
        table = table.drop_columns([column])
    with clock.stage("encode"):
        encoded, fared = encode_table(
            table, schema, key.derive, "rehearsal", party=name, options=options, source=name
        )
        used = columns_of(schema.fields.values()) | {payloads.RECORD}
        rest = {name: name for name in table.column_names if column_key(name) not in used}
        payload = payload_table(encoded.encodings.records, encoded.source, table, rest)
        found = coverage(fared)
    delivery = Delivery(
        name, name, encoded.encodings, encoded.chance, encoded.company.to_json(), found, schema
    )
    return Side(delivery, encoded, payload, known[encoded.source], known[np.unique(encoded.source)])


def _true_pairs(left: npt.NDArray[np.object_], right: npt.NDArray[np.object_]) -> int:
    counts: dict[Any, int] = {}
    for value in left:
        if value is not None:
            counts[value] = counts.get(value, 0) + 1
    return sum(counts.get(value, 0) for value in right if value is not None)


def _measures(one: PairLinkage, left: Side, right: Side) -> dict[str, Any]:
    pairs = one.scored.candidates
    a, b = left.by_row[pairs.left], right.by_row[pairs.right]
    same = np.asarray([x is not None and x == y for x, y in zip(a, b, strict=True)], dtype=bool)
    true_pairs = _true_pairs(left.truth, right.truth)
    links = len(one.accepted)
    correct = int(same[one.accepted].sum()) if links else 0
    precision = correct / links if links else 0.0
    recall = correct / true_pairs if true_pairs else 0.0
    f1 = 2 * precision * recall / (precision + recall) if correct else 0.0
    expected_precision, expected_recall, expected_f1 = one.expected
    return {
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "expected_precision": expected_precision,
        "expected_recall": expected_recall,
        "expected_f1": expected_f1,
        **{
            f"{name}_interval": [float(low), float(high)]
            for name, (low, high) in zip(
                ("precision", "recall", "f1"), one.band.at(one.threshold, one.curve), strict=True
            )
        },
        "expected_matches": one.estimate.matches.total,
        "unlinkable": {
            side.delivery.party: quality.unlinkable(one.estimate, side.delivery.shows, one.threshold)
            for side in (left, right)
        },
        "nobody": one.nobody,
        "threshold": one.threshold,
        "links": links,
        "ambiguous": len(one.links.ambiguous),
        "guarded": one.guarded,
        "candidates": len(pairs),
        "true_pairs": true_pairs,
        "candidate_recall": float(same.sum()) / true_pairs if true_pairs else 0.0,
        "company": max(side.encoded.company.share for side in (left, right)),
        "largest_component": max(side.encoded.company.largest_component for side in (left, right)),
    }


def _of_people(people: People, sides: Sequence[Side]) -> list[dict[str, Any]]:
    """What clusters are worth, party by party: records of a person against the cohort's record."""
    found = []
    for side in sides[1:]:
        joined = people.joined[side.delivery.party]
        a, b = sides[0].by_row[joined.cohort], side.by_row[joined.rows]
        correct = sum(x is not None and x == y for x, y in zip(a, b, strict=True))
        true_pairs = _true_pairs(sides[0].truth, side.truth)
        precision = correct / len(joined) if len(joined) else 0.0
        recall = correct / true_pairs if true_pairs else 0.0
        found.append(
            {
                "party": side.delivery.party,
                "links": len(joined),
                "carried": people.carried.get(side.delivery.party, 0),
                "precision": precision,
                "recall": recall,
                "f1": 2 * precision * recall / (precision + recall) if correct else 0.0,
            }
        )
    return found


def _truth_table(side: Side, column: str) -> pa.Table:
    """Record ID and truth, for a reviewer who attacks what is kept."""
    _, first = np.unique(side.encoded.source, return_index=True)
    records = side.encoded.encodings.records[first]
    return pa.table(
        {"record": fixed_column(records), column: pa.array(list(side.by_row[first]), pa.string())}
    )


def _keep_truth(folder: Path, sides: Sequence[Side], truth: str) -> None:
    # Apart from the artefacts: they must be what a real linkage has, and nothing else.
    with files.new_folder(folder) as place:
        for side in sides:
            target = place / f"{side.delivery.party}.truth.parquet"
            pq.write_table(_truth_table(side, truth), target, compression="zstd")


def _keep(folder: Path, sides: Sequence[Side], linkages: Sequence[PairLinkage]) -> None:
    with files.new_folder(folder) as place:
        for side in sides:
            stem = side.delivery.party
            encoding_files.save(side.encoded.encodings, place / f"{stem}.encodings.parquet")
            payloads.save(side.payload, place / f"{stem}.payload.parquet")
        linkmap.save(link_map(linkages), place / "linkmap.parquet")
        reviews.save_candidates(
            candidates_table(linkages), expected_of(linkages), place / "candidates.parquet"
        )
        model = json.dumps(model_of(linkages).to_json(), indent=1)
        (place / MODEL_FILE).write_text(model + "\n", encoding="utf-8", newline="\n")


def _names(sources: Sequence[Any]) -> list[str]:
    names = [Path(s).stem if isinstance(s, (str, Path)) else f"table{n}" for n, s in enumerate(sources, 1)]
    if len(set(names)) != len(names):
        raise UsageError("two files have the same name (without its ending)", advice="Rename one of them.")
    return names


def rehearse(
    sources: Sequence[Any],
    schema: LinkageSchema,
    truth: str,
    *,
    keep: Path | None = None,
    keep_truth: Path | None = None,
    min_precision: float | None = None,
    threshold: float | None = None,
    rules: Rules | None = None,
    options: Options | None = None,
    report: Report = quiet,
) -> dict[str, Any]:
    """
    Run the pipeline on two or more files with known truth, each against the first.

    Args:
        sources: paths, DataFrames or Arrow tables.
        truth: column that is equal exactly for the records of one person.
        keep: new folder for every artefact, unsealed. keep_truth: new folder for who each record of
            them is, for a reviewer who attacks them; no stage reads it.
        min_precision, threshold: see ``linkage.link_pair``.
        rules: how links are resolved; a file is called by its name without the ending.

    Returns:
        precision, recall, f1 and their estimates, and what it took; with more than two files the
        same by pair under ``pairs``. Times in seconds, memory in bytes (None where the system does
        not say).

    Raises:
        PseudolinkError: whatever the pipeline refuses.
    """
    if len(sources) < 2:
        raise UsageError("a rehearsal needs at least two files")
    for folder in (keep, keep_truth):
        if folder is not None:
            files.refuse_existing(folder)
    options = options or Options()
    clock = Clock()
    key = LinkageKey.generate()
    sides = []
    for number, (source, name) in enumerate(zip(sources, _names(sources), strict=True)):
        report("encode", number, len(sources))
        sides.append(_side(source, name, schema, key, truth, options, clock))
    report("encode", len(sources), len(sources))
    rules = rules or Rules()
    with clock.stage("link"):
        merged, told = duplicates.merge([side.delivery for side in sides], rules)
        linkages = link_all(
            merged, min_precision=min_precision, threshold=threshold, rules=rules, report=report
        )
    by_party = {side.delivery.party: side for side in sides}
    measures = [_measures(one, by_party[one.left.party], by_party[one.right.party]) for one in linkages]
    if keep is not None:
        with clock.stage("keep"):
            _keep(keep, sides, linkages)
    if keep_truth is not None:
        _keep_truth(keep_truth, sides, truth)
    cost = {
        "seconds": clock.result(),
        "peak_memory_bytes": peak_memory(),
        "engine": ENGINE,
        "versions": versions(),
    }
    merges = {"duplicates": [asdict(one) for one in told]} if told else {}
    if len(measures) == 1:
        return {**measures[0], **merges, **cost}
    return {
        "people": _of_people(people_of(linkages), sides),
        **merges,
        "pairs": [
            {"left": one.left.party, "right": one.right.party, **found}
            for one, found in zip(linkages, measures, strict=True)
        ],
        **cost,
    }
