"""A1: pairs of bits that go together, fill that tells length, and keyed passes that show neither."""

from __future__ import annotations

import numpy as np
import pytest
from toy_people import laboratory, people, schema

from pseudolink.attacks import suite
from pseudolink.attacks.attack import Setting
from pseudolink.attacks.methods import structure

RNG = np.random.default_rng


def test_two_bits_that_are_one_have_correlation_one_and_random_ones_none() -> None:
    """By hand: column 1 repeats column 0, the others are coins."""
    bits = RNG(1).integers(0, 2, (2_000, 20), dtype=np.uint8)
    assert structure.largest_correlation(bits) < 0.1
    bits[:, 1] = bits[:, 0]
    assert structure.largest_correlation(bits) == pytest.approx(1, abs=1e-4)
    bits[:, 1] = 1 - bits[:, 0]
    assert structure.largest_correlation(bits) == pytest.approx(1, abs=1e-4)


def test_bits_that_hardly_vary_are_no_pattern() -> None:
    bits = np.zeros((1_000, 4), dtype=np.uint8)
    bits[:3, :2] = 1
    assert structure.largest_correlation(bits) == 0


def test_fill_that_follows_length_has_r_squared_one() -> None:
    length = RNG(1).integers(3, 12, 500).astype(float)
    assert structure.r_squared(10 * length + 5, length) == pytest.approx(1)
    assert structure.r_squared(RNG(2).random(500), length) < 0.05
    assert structure.r_squared(length, np.full(500, np.nan)) == 0


def test_a_plain_clk_shows_its_bigrams_and_its_length() -> None:
    found = suite.run(structure.ATTACK, laboratory(2_000, "clk"), Setting(), 1)
    assert found.result is not None
    assert found.result.figures["fill_r2"] > 0.85
    assert found.result.figures["correlation_over_chance"] > 4


def test_equal_people_give_equal_clks() -> None:
    lab = laboratory(200, "clk")
    lab.population = lab.population.take(np.repeat(np.arange(100), 2))
    found = suite.run(structure.ATTACK, lab, Setting(), 1)
    assert found.result is not None
    assert found.result.figures["duplicates"] == 1


def test_filters_and_tokens_of_keyed_passes_show_nothing() -> None:
    lab = laboratory(3_000, "keyed")
    found = suite.run(structure.ATTACK, lab, Setting(), 1)
    assert found.result is not None
    assert not found.broken
    assert found.result.figures["fill_r2"] <= 0.05
    assert found.result.figures["correlation_over_chance"] <= 1.2


def test_filters_under_one_mapping_would_show_it() -> None:
    """Mutation: the same filters with block keys that do not vary have the patterns of a CLK."""
    design = schema([{"name": "wide", "on": ["postcode.area"], "compare": ["forename", "surname"]}])
    lab = laboratory(3_000, "keyed", design)
    # Every postcode is of one area: one block, one mapping. Only one row a block is looked at, so
    # the blocks are torn apart by giving each row a token of its own.
    view = lab.encode(np.arange(3_000), RNG(1))
    assert view.encodings is not None
    view.encodings.passes["wide"].tokens[:] = RNG(2).integers(1, 2**63, (3_000, 2), dtype=np.uint64)
    lab.supplied = (view, np.arange(3_000))
    lab.population = people(3_000)
    found = suite.run(structure.ATTACK, lab, Setting(), 1)
    assert found.result is not None
    assert found.broken
    assert found.result.figures["correlation_over_chance"] > 2
