"""Small populations for the tests of attacks, all invented and seeded."""

from __future__ import annotations

import numpy as np

from pseudolink.attacks import registry
from pseudolink.attacks.laboratory import Laboratory
from pseudolink.formats.cleaned import Cleaned, Column
from pseudolink.schema import LinkageSchema, parse_schema

KEY = bytes(range(7, 39))


def schema(passes: list[dict[str, object]] | None = None, **floor: object) -> LinkageSchema:
    """Four fields and, unless given, two narrow passes."""
    return parse_schema(
        {
            "format": "pseudolink/linkage-schema/1",
            "name": "toy",
            "fields": {
                "forename": {"kind": "forename", "columns": ["forename"]},
                "surname": {"kind": "surname", "columns": ["surname"]},
                "dob": {"kind": "date", "columns": ["dob"]},
                "postcode": {"kind": "postcode", "columns": ["postcode"]},
            },
            "passes": passes
            or [
                {"name": "one", "on": ["forename", "surname", "dob"], "compare": ["postcode"]},
                {"name": "two", "on": ["surname", "dob", "postcode"], "compare": ["forename"]},
            ],
            "floor": {"company": 0.05, "component": 20, **floor},
        }
    )


def people(count: int, seed: int = 1) -> Cleaned:
    """Invented people with names of syllables: alike, as real names are."""
    rng = np.random.default_rng(seed)
    parts = ["AN", "BE", "CO", "DI", "EL", "FI", "GO", "HA", "IR", "JO", "KA", "LU", "MA", "NO", "OS", "PE"]

    def names(most: int) -> list[str]:
        return [
            "".join(parts[i] for i in rng.integers(0, len(parts), rng.integers(2, 5))) for _ in range(most)
        ]

    pools = {
        "forename": names(max(count // 8, 4)),
        "surname": names(max(count // 3, 4)),
        "dob": [
            f"{rng.integers(1940, 2005)}-{rng.integers(1, 13):02}-{rng.integers(1, 29):02}"
            for _ in range(count)
        ],
        "postcode": [
            f"LS{rng.integers(1, 30)} {rng.integers(1, 10)}"
            f"{'ABDEF'[rng.integers(5)]}{'GHJLN'[rng.integers(5)]}"
            for _ in range(max(count // 3, 4))
        ],
    }
    fields = {}
    for name, pool in pools.items():
        values = sorted(set(pool))
        # Common values are common: squares of uniform draws lean to the first.
        draws = (rng.random(count) ** 2 * len(values)).astype(np.int32)
        fields[name] = Column(tuple(values), draws)
    return Cleaned(count, np.arange(count, dtype=np.int64), fields, {})


def laboratory(count: int, scheme: str, design: LinkageSchema | None = None, seed: int = 1) -> Laboratory:
    """A population of the given size under a scheme."""
    return Laboratory(people(count, seed), design or schema(), registry.scheme(scheme), KEY)
