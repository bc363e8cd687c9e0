"""
Joint states of all fields, and what they show under a given set of tokens.

Source: specs/scoring-v1.md, section 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pseudolink.score.arrays import Flags, Floats, Ints, summed
from pseudolink.score.evidence import Model

#: Shares of the states of each group, by group name; and of each branch under "branch".
Shares = Mapping[str, Floats]
BRANCH = "branch"


def chances(model: Model) -> dict[str, Floats]:
    """u: the shares of random pairs."""
    found = {name: group.chance / group.chance.sum() for name, group in model.groups.items()}
    branch = np.asarray([b.chance for b in model.branches])
    return {**found, BRANCH: branch / branch.sum()}


def priors(model: Model) -> dict[str, Floats]:
    """Where the shares of matching pairs begin."""
    found = {name: group.prior / group.prior.sum() for name, group in model.groups.items()}
    branch = np.asarray([b.prior for b in model.branches])
    return {**found, BRANCH: branch / branch.sum()}


@dataclass(frozen=True)
class Seen:
    """
    What the joint states show where certain tokens and fields are there on both sides.

    tokens: the passes in which both sides have a token. shared, levels: (o,) distinct
    observations. of_kind: (k,) int32, the observation of each kind of joint states.
    """

    tokens: int
    shared: Flags
    levels: Ints
    of_kind: np.ndarray[tuple[int], np.dtype[np.int32]]

    def shares(self, by_kind: Floats) -> Floats:
        """(o,) shares of the observations, from (k,) shares of the kinds of joint states."""
        return summed(self.of_kind, by_kind, len(self.shared))

    def position(self, shared: Flags, levels: Ints) -> Ints:
        """Index of each (shared, levels) among the observations; -1 for one no state can show."""
        if not len(self.shared):
            return np.full(len(shared), -1, dtype=np.int64)
        index = {key: i for i, key in enumerate(zip(self.shared.tolist(), self.levels.tolist(), strict=True))}
        wanted = zip(shared.tolist(), levels.tolist(), strict=True)
        return np.asarray([index.get(key, -1) for key in wanted], dtype=np.int64)

    def nearest(self, shared: int, levels: int) -> int:
        """The observation that differs from this one in the fewest passes, then in the levels."""
        apart = np.bitwise_count(self.shared ^ np.uint64(shared)).astype(np.int64) * 2
        return int(np.argmin(apart + (self.levels != levels)))


class States:
    """Every joint state of a model, laid out branch after branch."""

    def __init__(self, model: Model) -> None:
        self.model = model
        masks, levels = [], []
        for branch in model.branches:
            mask = np.zeros(1, dtype=np.uint64) + np.uint64(0xFFFFFFFFFFFFFFFF)
            digits = [np.zeros(1, dtype=np.int64) for _ in model.compared]
            for name in branch.groups:
                group = model.groups[name]
                mask = (mask[:, None] & group.masks[None, :]).ravel()
                for number, field in enumerate(model.compared):
                    own = group.level if name == field else np.zeros(len(group.masks), dtype=np.int64)
                    digits[number] = (digits[number][:, None] + own[None, :]).ravel()
            masks.append(mask)
            # Crosswise, a compared name looks like any other: lower than every level.
            for number, field in enumerate(model.compared):
                if field not in branch.groups:
                    digits[number] = np.full(len(mask), 4, dtype=np.int64)
            levels.append(digits)
        self.masks = np.concatenate(masks)
        self.levels = [np.concatenate([part[n] for part in levels]) for n in range(len(model.compared))]
        self.sizes = [len(mask) for mask in masks]
        # Joint states that allow the same passes and have the same levels show the same everywhere.
        # There are far fewer such kinds than joint states, and everything that is shown is summed by kind.
        code = np.zeros(len(self.masks), dtype=np.int64)
        for number, level in enumerate(self.levels):
            code |= level << (4 * number)
        order = np.lexsort((code, self.masks))
        fresh = np.ones(len(order), dtype=bool)
        a, b = self.masks[order], code[order]
        fresh[1:] = (a[1:] != a[:-1]) | (b[1:] != b[:-1])
        #: (j,) the kind of every joint state.
        self.kind_of = np.empty(len(order), dtype=np.int64)
        self.kind_of[order] = np.cumsum(fresh) - 1
        #: (k,) what the states of each kind allow, and by compared field their level.
        self.kind_masks = a[fresh]
        self.kind_levels = [level[order][fresh] for level in self.levels]

    def __len__(self) -> int:
        return len(self.masks)

    @property
    def kinds(self) -> int:
        """Number of kinds of joint states that show the same everywhere."""
        return len(self.kind_masks)

    def by_kind(self, joint: Floats) -> Floats:
        """(k,) shares of joint states summed by kind."""
        return summed(self.kind_of, joint, self.kinds)

    def probabilities(self, shares: Shares) -> Floats:
        """(j,) probability of every joint state, fields independent within a branch."""
        found = []
        for index, branch in enumerate(self.model.branches):
            joint = np.full(1, shares[BRANCH][index])
            for name in branch.groups:
                joint = np.multiply.outer(joint, shares[name]).ravel()
            found.append(joint)
        return np.concatenate(found)

    def totals(self, weight: Floats) -> dict[str, Floats]:
        """(j,) weights of joint states summed by group and branch: the inverse direction."""
        found = {name: np.zeros(len(group.masks)) for name, group in self.model.groups.items()}
        branches = np.zeros(len(self.model.branches))
        at = 0
        for index, branch in enumerate(self.model.branches):
            part = weight[at : at + self.sizes[index]]
            at += self.sizes[index]
            branches[index] = part.sum()
            for name in branch.groups:
                # The groups before it are summed already, the first of those left is this one.
                cube = part.reshape(len(self.model.groups[name].masks), -1)
                found[name] += cube.sum(axis=1)
                part = cube.sum(axis=0)
        return {**found, BRANCH: branches}

    def seen(self, tokens: int, fields: int) -> Seen:
        """What the states show where both sides have these tokens and these compared fields."""
        shared = self.kind_masks & np.uint64(tokens)
        levels = np.zeros(len(shared), dtype=np.int64)
        for number, passes in enumerate(self.model.comparing):
            if fields >> number & 1:
                levels |= np.where((shared & passes) != 0, self.kind_levels[number], 0) << (4 * number)
        order = np.lexsort((levels, shared))
        a, b = shared[order], levels[order]
        fresh = np.ones(len(a), dtype=bool)
        fresh[1:] = (a[1:] != a[:-1]) | (b[1:] != b[:-1])
        of_kind = np.empty(len(a), dtype=np.int32)
        of_kind[order] = np.cumsum(fresh, dtype=np.int32) - 1
        return Seen(tokens, a[fresh], b[fresh], of_kind)
