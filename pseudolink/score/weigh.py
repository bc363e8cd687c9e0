"""
Match weights and match probabilities of candidate pairs.

Source: specs/scoring-v1.md, section 6.
"""

from __future__ import annotations

import numpy as np

from pseudolink.formats.candidates import Candidates, Presence, Scored
from pseudolink.score.estimate import Estimate, alone
from pseudolink.score.exclusive import exclusive
from pseudolink.score.observe import gather, positions

_TINY = 1e-300


def weigh(found: Estimate, pairs: Candidates, left: Presence, right: Presence) -> Scored:
    """
    Weigh the evidence of every candidate pair.

    The probability takes into account that a record has one match at most: pairs that compete
    for a record share what is left.
    """
    states = found.states
    odds = np.zeros(len(pairs))
    weight = np.zeros(len(pairs))
    joint = states.probabilities(found.matches.shares)
    alike = states.probabilities(found.company.shares) if found.company else np.zeros(len(states))
    kinds = [states.by_kind(one) for one in (joint, found.chance, alike)]
    for view in gather(pairs, left, right):
        seen = states.seen(view.tokens, view.fields)
        at = positions(seen, pairs, view)
        match, chance, company = (seen.shares(one) for one in kinds)
        other = np.maximum(found.other(chance, company), _TINY)
        ratio = np.maximum(found.matches.total * match, _TINY) / other
        odds[view.pairs] = ratio[at]
    if found.matches.total > 0:
        weight = np.log2(odds) - np.log2(found.matches.total / (found.left_rows * found.right_rows))
    probability = exclusive(odds, pairs.left, pairs.right, alone(states, found.matches, left, right))
    # The order of the rows decides the last digits of a sum; it must not decide a threshold.
    return Scored(pairs, weight, np.round(probability, 12))
