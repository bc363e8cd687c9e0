"""
Whether the class that the search settled on is that of matches.

The search finds pairs that agree more than chance makes them. Where two parties hold the families
of one another's people (parents here, children there), those are brothers and mothers, and the
search would take them for matches that changed their names. Matches of people agree on forename
and date of birth more often than not, and on everything more often than strangers do.

Source: specs/scoring-v1.md, section 5.8.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pseudolink.errors import Problem, WrongClassError
from pseudolink.score.estimate import Estimate

#: Kinds of fields that stay with a person and that relatives seldom share.
PERSONAL = ("forename", "date")
#: Least share of matches that agree at least in part on such a field.
_LEAST = 0.5
#: Below this many expected matches nothing is linked on which this could be judged.
_FEW = 1.0
#: A state hidden more often than this is what the prior makes it, and no finding.
_HIDDEN = 0.9


def require_matches(found: Estimate, kinds: Mapping[str, str], *, pair: str) -> None:
    """
    Refuse an estimate whose matches do not look like people met twice.

    Args:
        kinds: field -> its kind. pair: how the two parties are told in the message.

    Raises:
        WrongClassError: every field that says so.
    """
    matches = found.matches
    if matches.total < _FEW or matches.views is None or found.layout is None:
        return
    joint = found.states.probabilities(matches.shares)
    never = found.layout.blind.hidden(matches.views)[found.states.kind_of]
    hidden = found.states.totals(joint * never)
    problems = []
    for name, group in found.states.model.groups.items():
        if group.whole is None:
            continue
        share = matches.shares[name]
        none = int(np.argmin(np.bitwise_count(group.masks)))
        if none == group.whole or hidden[name][none] > _HIDDEN * share[none]:
            continue
        if share[group.whole] < group.chance[group.whole]:
            problems.append(Problem(name, "agrees less often than between strangers"))
        elif kinds.get(name) in PERSONAL and share[none] > 1 - _LEAST:
            problems.append(Problem(name, "differs altogether in most of the pairs taken for matches"))
    if problems:
        raise WrongClassError(
            problems,
            source=pair,
            advice="These are relatives, not the same people: check that both extracts hold people "
            "of the same kind, or add passes that ask for forename and date of birth.",
        )
