"""
What nobody sees: pairs that share no token, because of what differs or of what is missing.

Which tokens both records of a pair hold (its view) is first taken from random pairs. Matches can
hold others: an agency for children meets the children of a cohort, and their pupil numbers. So
the views of matches are estimated along with everything else.

Source: specs/scoring-v1.md, section 4.6.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pseudolink.formats.candidates import Presence
from pseudolink.score.arrays import Flags, Floats, Ints, summed
from pseudolink.score.states import States

#: Numbers held at once, views times kinds of joint states.
_MOST_HELD = 40_000_000
#: Most distinct sets of tokens of one party that are combined with those of the other.
_MOST_SETS = 500
_TINY = 1e-300


def shows_nothing(masks: Flags, tokens: Flags) -> Floats:
    """(t, k) 1 where a state that allows the passes of ``masks`` shows nothing under the tokens."""
    found: Floats = ((masks[None, :] & tokens[:, None]) == 0).astype(np.float64)
    return found


@dataclass(frozen=True)
class Blind:
    """
    The views of a class of pairs, as sets of tokens, and what each hides.

    tokens: (v,) uint64, distinct. share: (v,) of random pairs. uncounted: (k,) share of random
    pairs in which a kind of joint states shows something that is not counted. lost: (v,) views of which
    some pairs are not counted: nothing is learned of them.
    """

    states: States
    tokens: Flags
    share: Floats
    uncounted: Floats
    lost: np.ndarray[tuple[int], np.dtype[np.bool_]]

    @cached_property
    def _nothing(self) -> Floats:
        return shows_nothing(self.states.kind_masks, self.tokens)

    def hides(self, kinds: Floats) -> Floats:
        """(v,) share of a class of pairs that each view hides, from its shares by kind."""
        found: Floats = self._nothing @ kinds
        return found

    def hidden(self, share: Floats) -> Floats:
        """(k,) how often each kind of joint states shows nothing, over views of these shares."""
        found: Floats = share @ self._nothing
        return found

    def learned(self, seen: Floats, total: float, kinds: Floats, prior: float) -> Floats:
        """
        (v,) the shares of the views, given the pairs seen in each.

        A view in which twice as many pairs are seen as random pairs would lead one to expect is
        twice as frequent. Where few are expected, what random pairs say stands.

        Args:
            seen: (v,) pairs of the class. total: pairs of the class, seen or not.
            kinds: (k,) its shares by kind of joint states.
            prior: pairs that the shares of random pairs count for, in every view.
        """
        expected = total * self.share * (1.0 - self.hides(kinds))
        share = self.share * np.where(self.lost, 1.0, (seen + prior) / (expected + prior))
        found: Floats = share / max(float(share.sum()), _TINY)
        return found

    def places(self, tokens: Flags) -> Ints:
        """(k,) where each set of tokens stands among the views, or the nearest above it."""
        return np.minimum(np.searchsorted(self.tokens, tokens), max(len(self.tokens) - 1, 0))


def random_views(left: Presence, right: Presence, most: int, *, fields: bool = False) -> tuple[Flags, Floats]:
    """
    (v, 2) tokens and fields (0 unless asked for) of random pairs of rows, and their shares.

    Which tokens the two sides hold is taken to be independent of one another.
    """
    a, share_a = _distinct(left, fields=fields)
    b, share_b = _distinct(right, fields=fields)
    both = (a[:, None, :] & b[None, :, :]).reshape(-1, 2)
    keys, inverse = np.unique(both, axis=0, return_inverse=True)
    weight = np.bincount(inverse, weights=np.multiply.outer(share_a, share_b).ravel())
    order = np.sort(np.argsort(-weight, kind="stable")[: max(1, most)])
    shares: Floats = weight[order] / weight[order].sum()
    return keys[order], shares


def _distinct(presence: Presence, *, fields: bool) -> tuple[Flags, Floats]:
    held = presence.fields.astype(np.uint64) if fields else np.zeros_like(presence.tokens)
    keys, counts = np.unique(np.column_stack([presence.tokens, held]), axis=0, return_counts=True)
    most = np.argsort(-counts, kind="stable")[:_MOST_SETS]
    share: Floats = counts[most] / counts[most].sum()
    return keys[most], share


def blind(states: States, left: Presence, right: Presence, uncounted: Floats, lost: Flags) -> Blind:
    """
    The views of random pairs of two parties.

    Args:
        uncounted: see ``observe.dropped``. lost: tokens of the views that are not counted.
    """
    keys, share = random_views(left, right, _MOST_HELD // states.kinds)
    return Blind(states, keys[:, 0], share, uncounted, np.isin(keys[:, 0], lost))


def mixed(parts: list[tuple[float, Blind]]) -> Blind:
    """The views of pairs of which each part has a share."""
    tokens = np.concatenate([one.tokens for _, one in parts])
    share = np.concatenate([part * one.share for part, one in parts])
    distinct, inverse = np.unique(tokens, return_inverse=True)
    uncounted = np.sum([part * one.uncounted for part, one in parts], axis=0)
    lost = summed(inverse, np.concatenate([one.lost for _, one in parts]).astype(np.float64), len(distinct))
    return Blind(parts[0][1].states, distinct, summed(inverse, share, len(distinct)), uncounted, lost > 0)


class Findable:
    """How likely a pass finds the match of each record of a party, by the tokens that it has."""

    def __init__(self, states: States, presence: Presence) -> None:
        self._states = states
        self._tokens, self._of_row, counts = np.unique(
            presence.tokens, return_inverse=True, return_counts=True
        )
        self._share = counts / max(len(presence.tokens), 1)

    def never(self, joint: Floats, found: float, matched: float) -> Floats:
        """
        (n,) the probability that a record has no match that some pass finds.

        Args:
            joint: (j,) shares of matching pairs. found: share of them that some pass finds.
            matched: share of the party's records that match.
        """
        kinds = self._states.by_kind(joint)
        findable = np.empty(len(self._tokens))
        step = max(1, _MOST_HELD // len(kinds))
        for at in range(0, len(findable), step):
            hides = shows_nothing(self._states.kind_masks, self._tokens[at : at + step])
            findable[at : at + step] = np.maximum(1.0 - hides @ kinds, 0.0)
        mean = float((findable * self._share).sum())
        # Scaled so that the mean is the share found when both sides lack what they lack.
        scaled = np.minimum(findable * found / max(mean, 1e-9), 1.0)
        never: Floats = np.clip(1.0 - min(matched, 1.0) * scaled, 1e-3, 1.0)[self._of_row]
        return never
