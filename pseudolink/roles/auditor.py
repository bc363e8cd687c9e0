"""
The reviewer's audit: encodings, or a reference encoded here, attacked; and the report of it.

Source: specs/attacks-v1.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pseudolink.agreement import today_utc
from pseudolink.attacks import registry, suite
from pseudolink.attacks.attack import Attack, Index, View, Wanted
from pseudolink.attacks.laboratory import Laboratory
from pseudolink.attacks.methods import key_hygiene
from pseudolink.attacks.schemes import keyed_passes
from pseudolink.clean.extract import clean_table
from pseudolink.clean.reader import read_extract
from pseudolink.errors import ArtefactError, InputError, Problem, UsageError
from pseudolink.formats import attack_report
from pseudolink.formats import encodings as encoding_files
from pseudolink.formats.cleaned import Cleaned
from pseudolink.formats.encodings import RECORD_BYTES
from pseudolink.keys.linkage import LinkageKey
from pseudolink.roles.payload import columns_by_name
from pseudolink.schema import LinkageSchema, load_schema

Report = Callable[[str, int, int], None]
DEFAULT_PROJECT = "rehearsal"


@dataclass(frozen=True)
class Request:
    """
    What to audit.

    encodings: a file; None encodes the reference with a fresh key (the worst case).
    truth: column of the reference that says who a row is. truth_file: Parquet with ``record`` and
        that column, such as `rehearse --keep-truth` leaves; with ``encodings`` alone.
    scheme: what to encode the reference with. attacks: numbers, such as A6; all when empty.
    sheet: of a reference that is a workbook.
    """

    reference: Path
    schema: Path
    encodings: Path | None = None
    truth: str | None = None
    truth_file: Path | None = None
    scheme: str = "keyed"
    project: str = DEFAULT_PROJECT
    attacks: Sequence[str] = ()
    wanted: Wanted = field(default_factory=Wanted)
    today: date | None = None
    sheet: str | None = None


def audit(request: Request, report: Report) -> dict[str, Any]:
    """
    Run the audit.

    Returns:
        the report as data (specs/attacks-v1.md, section 5).

    Raises:
        PseudolinkError: files that are not what they should be, or options that do not go together.
    """
    chosen = _chosen(request.attacks)
    schema = load_schema(request.schema)
    reference, people = _reference(request, schema)
    if request.encodings is None:
        lab = suite.self_laboratory(reference, schema, registry.scheme(request.scheme), request.project)
        digest, records = None, len(np.unique(reference.source))
    else:
        if request.scheme != "keyed":
            raise UsageError("encodings from a file are keyed passes; --scheme is for --self")
        view, truth = _supplied(request, schema, people)
        lab = Laboratory(
            reference, schema, registry.scheme("keyed"), None, request.project, supplied=(view, truth)
        )
        digest = _file_digest(request.encodings)
        assert view.encodings is not None  # noqa: S101 (they were just read)
        records = len(np.unique(view.encodings.records, axis=0))
    found = suite.audit(lab, request.wanted, attacks=chosen, report=report)
    wanted = request.wanted
    return {
        "format": attack_report.FORMAT,
        "created": (request.today or today_utc()).isoformat(),
        "software": f"pseudolink {version('pseudolink')}",
        "verdict": found.verdict,
        "reasons": list(found.reasons),
        "partial": bool(request.attacks) or wanted.overlap < 1 or wanted.errors > 0,
        "scheme": request.scheme,
        "scheme_title": lab.scheme.title,
        "schema": schema.digest,
        "schema_name": schema.name,
        "project": request.project,
        "self": request.encodings is None,
        "records": records,
        "truth_known": request.encodings is None or lab.supplied is None or lab.supplied[1] is not None,
        "encodings_digest": digest,
        "reference": {
            "rows": reference.rows,
            "people": len(np.unique(reference.source)),
            "digest": _file_digest(request.reference),
            "overlap": wanted.overlap,
            "errors": wanted.errors,
        },
        "seed": wanted.seed,
        "full": wanted.full,
        "attacks": [_attack_json(one, found) for one in chosen],
        "not_tested": list(suite.NOT_TESTED) + _left_out(found),
    }


def _chosen(numbers: Sequence[str]) -> tuple[Attack, ...]:
    there = registry.attacks()
    known = {one.number for one in there}
    unknown = [number for number in numbers if number not in known]
    if unknown:
        listed = ", ".join(dict.fromkeys(one.number for one in there))
        raise UsageError(f"no attack {', '.join(unknown)}", advice=f"There are: {listed}.")
    return tuple(one for one in there if not numbers or one.number in numbers)


def _attack_json(one: Attack, found: suite.Audit) -> dict[str, Any]:
    return {
        "number": one.number,
        "name": one.name,
        "sentence": one.sentence,
        "knows": one.knows,
        "assumes": list(one.assumes),
        "bounds": [{"figure": b.figure, "at_most": b.at_most, "words": b.words} for b in one.bounds],
        "runs": [run.to_json() for run in found.runs if run.attack is one],
        "canaries": [trial.to_json() for trial in found.canaries if trial.run.attack is one],
    }


def _left_out(found: suite.Audit) -> list[str]:
    runs = [*found.runs, *(trial.run for trial in found.canaries)]
    return [
        f"{run.attack.number} on {run.scheme} ({run.setting.label()}): {run.skipped}"
        for run in runs
        if run.skipped
    ]


def _file_digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _reference(request: Request, schema: LinkageSchema) -> tuple[Cleaned, dict[str, int]]:
    """The cleaned reference, and truth -> row of the file (empty without a truth column)."""
    table = read_extract(request.reference, sheet=request.sheet)
    people: dict[str, int] = {}
    if request.truth is not None:
        column = columns_by_name(table.column_names, [request.truth], source=request.reference.name)[
            request.truth
        ]
        for row, value in enumerate(table.column(column).to_pylist()):
            if (value or "").strip():
                people.setdefault(value.strip(), row)
        table = table.drop_columns([column])
    return clean_table(table, schema, source=request.reference.name), people


def _supplied(request: Request, schema: LinkageSchema, people: dict[str, int]) -> tuple[View, Index | None]:
    assert request.encodings is not None  # noqa: S101 (the caller has looked)
    encodings = encoding_files.load(request.encodings, schema.layout)
    if not encodings.rows:
        raise ArtefactError([Problem("", "has no rows")], source=request.encodings.name)
    if request.truth is None:
        return View(encodings), None
    if request.truth_file is None:
        raise UsageError(
            "who the records of these encodings are is in no file",
            advice="Name it: --truth-file FILE (Parquet with `record` and the column of --truth), "
            "such as `rehearse --keep-truth` leaves.",
        )
    of_record = _truth_of_records(request.truth_file, request.truth)
    truth = np.full(encodings.rows, -1, dtype=np.int64)
    for row, record in enumerate(encodings.records):
        value = of_record.get(record.tobytes())
        if value is not None:
            truth[row] = people.get(value, -1)
    return View(encodings), truth


def _truth_of_records(path: Path, column: str) -> dict[bytes, str]:
    try:
        with pq.ParquetFile(path) as file:
            table = file.read()
    except (pa.ArrowException, OSError):
        raise InputError(f"{path.name}: not a readable Parquet file") from None
    names = columns_by_name(table.column_names, ["record", column], source=path.name)
    records = table.column(names["record"]).to_pylist()
    values = table.column(names[column]).cast(pa.string()).to_pylist()
    if any(not isinstance(one, bytes) or len(one) != RECORD_BYTES for one in records):
        raise ArtefactError([Problem("record", f"must be binary of {RECORD_BYTES} bytes")], source=path.name)
    return {
        record: value.strip()
        for record, value in zip(records, values, strict=True)
        if value is not None and value.strip()
    }


def try_keys(
    encodings: Path,
    reference: Path,
    schema: Path,
    *,
    project: str,
    earlier: Mapping[str, LinkageKey],
    seed: int = 1,
    sheet: str | None = None,
) -> dict[str, Any]:
    """
    Try weak keys and earlier projects' keys against encodings (A5).

    Args:
        earlier: name -> key, in memory alone.

    Returns:
        verdict, the keys that fit by name, and how many were tried. No key is in it.
    """
    design = load_schema(schema)
    table = read_extract(reference, sheet=sheet)
    cleaned = clean_table(table, design, needed=(), source=reference.name)
    view = View(encoding_files.load(encodings, design.layout))
    scheme = registry.scheme("keyed")
    there = key_hygiene.contents(view)
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(cleaned.rows)[: key_hygiene.ROWS])
    sample = key_hygiene.compact(cleaned.take(rows))
    projects = dict.fromkeys((project, DEFAULT_PROJECT, design.name))
    plain = key_hygiene.plain(design)
    fit, tried = [], 0
    for name in projects:
        encoders = {
            **{label: scheme.start(plain, key, name) for label, key in key_hygiene.weak_keys(name)},
            **{label: keyed_passes.start_with(plain, key.derive, name) for label, key in earlier.items()},
        }
        for label, encode in encoders.items():
            tried += 1
            share = key_hygiene.in_common(encode(sample), there)
            if share:
                fit.append({"key": label, "project": name, "share_of_tokens": share})
    return {
        "verdict": suite.FAIL if fit else suite.PASS,
        "fit": fit,
        "keys_tried": tried,
        "projects": list(projects),
        "schema": design.digest,
        "encodings_digest": _file_digest(encodings),
        "records": view.rows,
    }
