"""
The model of a linkage as an artefact, and the explanation of one of its candidate pairs.

The operator and whoever rehearses hold both; neither holds a name.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pseudolink.errors import ArtefactError, Problem, UsageError
from pseudolink.formats import model as models
from pseudolink.formats.candidates import held
from pseudolink.formats.model import BranchShare, FieldShares, LinkageModel, PairModel, StateShare
from pseudolink.roles.linkage import PairLinkage
from pseudolink.score.evidence import Branch, Group, Model
from pseudolink.score.explain import Explanation, Weights, explain
from pseudolink.score.states import BRANCH, States, chances

MODEL_FILE = "model.json"
_EVIDENCE = ("shared", "levels", "held", "compared")


def evidence_columns(one: PairLinkage) -> dict[str, pa.Array]:
    """
    What each candidate pair shows and could show, for explanations.

    ``shared``: passes whose token it shares; ``held``: passes in which both have one, as bits.
    ``levels``, ``compared``: the same of compared fields (``formats.candidates``).
    """
    pairs, left, right = one.scored.candidates, one.left.shows, one.right.shows
    a, b = pairs.rows
    return {
        "shared": pa.array(pairs.shared),
        "levels": pa.array(pairs.levels),
        "held": pa.array(held(pairs, left, right)),
        "compared": pa.array(left.fields[a] & right.fields[b]),
    }


def model_of(linkages: Sequence[PairLinkage]) -> LinkageModel:
    """The model of every pair of parties."""
    schema = linkages[0].left.schema
    model = linkages[0].estimate.states.model
    return LinkageModel(
        tuple(one.name for one in schema.passes),
        tuple((f, f"{int(bits):016x}") for f, bits in zip(model.compared, model.comparing, strict=True)),
        tuple(_pair(one) for one in linkages),
    )


def _pair(one: PairLinkage) -> PairModel:
    found = one.estimate
    model, company = found.states.model, found.company
    chance = chances(model)

    def shares(name: str) -> list[tuple[float, float, float | None]]:
        alike = company.shares[name].tolist() if company else [None] * len(chance[name])
        return list(zip(chance[name].tolist(), found.matches.shares[name].tolist(), alike, strict=True))

    return PairModel(
        one.left.party,
        one.right.party,
        found.left_rows,
        found.right_rows,
        found.matches.total,
        min(max(found.matches.found, 0.0), 1.0),
        found.alike,
        found.matches.converged,
        tuple(
            FieldShares(
                name,
                group.whole,
                tuple(
                    StateShare(f"{int(mask):016x}", int(level), u, m, c)
                    for mask, level, (u, m, c) in zip(group.masks, group.level, shares(name), strict=True)
                ),
            )
            for name, group in model.groups.items()
        ),
        tuple(
            BranchShare(branch.name, branch.groups, u, m, c)
            for branch, (u, m, c) in zip(model.branches, shares(BRANCH), strict=True)
        ),
    )


def weights_of(model: LinkageModel, pair: PairModel) -> Weights:
    """What weights are computed from, read back from the artefact."""
    groups = {
        one.name: Group(
            one.name,
            np.asarray([int(s.allows, 16) for s in one.states], dtype=np.uint64),
            np.asarray([s.level for s in one.states], dtype=np.int64),
            np.asarray([s.chance for s in one.states]),
            np.asarray([s.matches for s in one.states]),
            one.whole,
        )
        for one in pair.fields
    }
    branches = tuple(Branch(b.name, b.fields, b.chance, b.matches) for b in pair.branches)
    comparing = tuple(np.uint64(int(bits, 16)) for _, bits in model.compared)
    states = States(Model(groups, branches, comparing, tuple(name for name, _ in model.compared)))

    def shares(kind: str) -> dict[str, Any]:
        found = {one.name: np.asarray([getattr(s, kind) for s in one.states]) for one in pair.fields}
        return {**found, BRANCH: np.asarray([getattr(b, kind) for b in pair.branches])}

    alike = None if pair.branches[0].company is None else shares("company")
    return Weights(
        states,
        shares("matches"),
        shares("chance"),
        alike,
        float(pair.left_records) * pair.right_records,
        pair.company,
        pair.matches,
    )


@dataclass(frozen=True)
class Explained:
    """One candidate pair: its number, parties, comparison levels, and where its weight comes from."""

    pair: int
    pairs: int
    left: str
    right: str
    levels: dict[str, str]
    explanation: Explanation
    probability: float

    def to_json(self) -> dict[str, Any]:
        """JSON-able data, without record IDs."""
        found = self.explanation
        return {
            "pair": self.pair,
            "pairs": self.pairs,
            "left": self.left,
            "right": self.right,
            "levels": self.levels,
            "prior_bits": found.prior,
            "base_bits": found.base,
            "field_bits": dict(found.fields),
            "weight_bits": found.weight,
            "probability": self.probability,
        }


def load_model(path: Path) -> LinkageModel:
    """
    Read ``model.json``.

    Raises:
        ArtefactError: not such a file.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise ArtefactError([Problem("", "is not a JSON file")], source=str(path)) from None
    return models.from_json(raw)


def explain_pair(candidates: Path, model: LinkageModel, number: int) -> Explained:
    """
    Explain one pair of a file of candidate pairs.

    Args:
        number: of the pair in the file, from 1.

    Raises:
        ArtefactError: not such a file, or one of another linkage than the model.
        UsageError: no pair has this number.
    """
    try:
        table = pq.read_table(candidates)
    except (OSError, pa.ArrowException):
        raise ArtefactError([Problem("", "is not a Parquet file")], source=str(candidates)) from None
    needed = ("left_party", "right_party", "probability", *_EVIDENCE)
    missing = [Problem(name, "is missing") for name in needed if name not in table.column_names]
    if missing:
        raise ArtefactError(missing, source=str(candidates))
    if not 1 <= number <= table.num_rows:
        raise UsageError(f"there is no pair {number:,}; the file has {table.num_rows:,}")
    row = table.slice(number - 1, 1).to_pylist()[0]
    for one in model.pairs:
        if (one.left, one.right) == (row["left_party"], row["right_party"]):
            break
    else:
        raise ArtefactError([Problem("pairs", "has no model of these two parties")], source=MODEL_FILE)
    shown = explain(
        weights_of(model, one),
        tokens=row["held"],
        fields=row["compared"],
        shared=row["shared"],
        levels=row["levels"],
    )
    levels = {
        name.removeprefix("level."): row[name] for name in table.column_names if name.startswith("level.")
    }
    return Explained(number, table.num_rows, one.left, one.right, levels, shown, float(row["probability"]))


#: The first steps of a waterfall: how rare a match is, and what company takes from every pair.
RARE, COMPANY = "how rare a match is", "pairs merely alike"


def waterfall(found: Explained) -> list[tuple[str, float, str]]:
    """Name, bits, and what a pass shows of it: from nothing to the logarithm of the odds."""
    shown = found.explanation
    steps = [(RARE, shown.prior, ""), (COMPANY, shown.base, "")]
    return steps + [(name, bits, found.levels.get(name, "")) for name, bits in shown.fields]


def only(model: LinkageModel, found: Explained) -> LinkageModel:
    """The model of the two parties of one pair alone."""
    chosen = tuple(one for one in model.pairs if (one.left, one.right) == (found.left, found.right))
    return replace(model, pairs=chosen)
