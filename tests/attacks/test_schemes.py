"""Every scheme: deterministic under a secret, different under another, alike where people are."""

from __future__ import annotations

import numpy as np
import pytest
from toy_people import KEY, people, schema

from pseudolink.attacks import registry
from pseudolink.attacks.schemes.birth_year import years
from pseudolink.attacks.schemes.clk import plain
from pseudolink.errors import UsageError

CLKS = [one.name for one in registry.schemes_by_name().values() if one.clk]
# Coins are drawn on, so that no two records share them: twice the same is the same from the start.
RANDOM = {"flips"}


@pytest.mark.parametrize("name", CLKS)
def test_a_secret_decides_every_bit(name: str) -> None:
    scheme, cleaned = registry.scheme(name), people(200)
    made = [scheme.start(schema(), key, "p")(cleaned).bits for key in (KEY, KEY, bytes(32))]
    assert np.array_equal(made[0], made[1])
    assert not np.array_equal(made[0], made[2])


@pytest.mark.parametrize("name", [name for name in CLKS if name not in RANDOM])
def test_equal_people_have_equal_bits(name: str) -> None:
    cleaned = people(100)
    twice = registry.scheme(name).start(schema(), KEY, "p")(cleaned.take(np.tile(np.arange(100), 2))).bits
    assert twice is not None
    assert np.array_equal(twice[:100], twice[100:])


def test_balanced_filters_are_half_full() -> None:
    bits = registry.scheme("balanced").start(schema(), KEY, "p")(people(50)).bits
    assert (np.bitwise_count(bits).sum(axis=1) == 1024).all()


def test_rule_90_is_the_xor_of_neighbours() -> None:
    cleaned = people(5)
    inner = np.unpackbits(plain(cleaned, schema(), KEY + b"p"), axis=1)
    outer = np.unpackbits(registry.scheme("rule90").start(schema(), KEY, "p")(cleaned).bits, axis=1)
    for at in (0, 1, 500, 1023):
        assert np.array_equal(outer[:, at], inner[:, at - 1] ^ inner[:, (at + 1) % 1024])


def test_flips_change_a_tenth_of_the_bits() -> None:
    cleaned = people(200)
    bits = registry.scheme("flips").start(schema(), KEY, "p")(cleaned).bits
    changed = np.bitwise_count(bits ^ plain(cleaned, schema(), KEY + b"p")).sum() / bits.size / 8  # type: ignore[union-attr,operator]
    assert 0.09 < changed < 0.11


def test_a_salt_separates_years() -> None:
    cleaned = people(400)
    bits = registry.scheme("salted").start(schema(), KEY, "p")(cleaned).bits
    assert bits is not None
    year = years(cleaned, schema())
    expected = plain(cleaned, schema(), KEY)
    assert len(np.unique(year)) > 20
    assert not (bits == expected).all(axis=1).any()


def test_an_unknown_scheme_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError) as caught:
        registry.scheme("rot13")
    assert "balanced" in (caught.value.advice or "")


def test_every_attack_has_what_a_report_needs() -> None:
    """A number, a sentence, bounds with canaries: an attack that proves nothing is none."""
    proven = {one.number for one in registry.attacks() if one.canaries}
    assert {"A1", "A2", "A3", "A4", "A5", "A6", "A7"} <= proven
    for one in registry.attacks():
        assert one.sentence.endswith(".")
        assert one.knows
        assert not one.bounds or one.number in proven
        for canary in one.canaries:
            registry.scheme(canary.scheme)
