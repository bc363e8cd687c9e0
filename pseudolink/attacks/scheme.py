"""
Schemes under attack: each encodes cleaned rows under a secret, as a plug-in of one file.

A scheme is a module in ``pseudolink/attacks/schemes`` with a constant ``SCHEME`` (or ``SCHEMES``).
They exist to be attacked beside the project's own passes; none but those is offered to custodians.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from pseudolink.attacks.attack import Index, View
from pseudolink.formats.cleaned import Cleaned
from pseudolink.schema import LinkageSchema

#: ``encode(cleaned) -> view``: rows in the order given; call it again for another wave.
Encode = Callable[[Cleaned], View]


class Start(Protocol):
    """
    Takes a secret of 32 bytes. Another secret or project gives views that do not join.

    party: whose extracts are encoded, for schemes in which that matters.
    """

    def __call__(self, schema: LinkageSchema, secret: bytes, project: str, party: str = "") -> Encode: ...


@dataclass(frozen=True)
class Scheme:
    """
    One scheme.

    name: short, for tables and options. title: for people. sentence: what it is.
    start: makes its encoder.
    schema: the linkage schema that the scheme uses in place of the reviewer's own (other passes);
        public, like everything but the secret.
    clk: whether it gives bits (compared all against all) and not tokens.
    classes: ``classes(cleaned, schema) -> (n,) int64``, where only rows of one class can be compared
        (salts); public like the rest.
    """

    name: str
    title: str
    sentence: str
    start: Start
    schema: Callable[[LinkageSchema], LinkageSchema] = lambda schema: schema
    clk: bool = True
    classes: Callable[[Cleaned, LinkageSchema], Index] | None = None
