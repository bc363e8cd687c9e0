"""A2: ridge regression and shared tokens, on cases with known answers and weakened on purpose."""

from __future__ import annotations

import numpy as np
import pytest
from toy_people import laboratory, schema

from pseudolink.attacks import suite
from pseudolink.attacks.attack import Guesses, Setting
from pseudolink.attacks.methods import known_plaintext as a2

RNG = np.random.default_rng


def rate(scheme: str, count: int, known: int, **more: object) -> float:
    lab = laboratory(count, scheme, **more)  # type: ignore[arg-type]
    found = suite.run(a2.ATTACK, lab, Setting(known=known), 1)
    assert found.result is not None
    assert found.result.lucky
    return found.result.figures["rate"]


def test_bits_that_are_tokens_are_predicted_as_they_are() -> None:
    """By hand: bit b is token b, so four people who show each token predict everyone else."""
    tokens = np.asarray([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0], [1, 1, 0], [0, 1, 1]], dtype=np.float32)
    groups, known = np.zeros(6, dtype=np.int64), np.arange(4)
    predicted = a2.ridge(tokens, groups, known, tokens[known].astype(np.uint8))
    assert (predicted[4, :2] > predicted[4, 2]).all()
    assert (predicted[5, 1:] > predicted[5, 0]).all()


def test_the_two_forms_of_ridge_are_one() -> None:
    """Dual below the vocabulary, primal above: the same regression."""
    rng = RNG(1)
    tokens = rng.integers(0, 2, (60, 20)).astype(np.float32)
    bits = rng.integers(0, 2, (60, 8), dtype=np.uint8)
    known = np.arange(40)
    primal = a2.ridge(tokens, np.zeros(60, dtype=np.int64), known, bits[known])
    x, y = tokens[known], bits[known].astype(float)
    x0, y0 = x - x.mean(0), y - y.mean(0)
    dual = (tokens - x.mean(0)) @ x0.T @ np.linalg.inv(x0 @ x0.T + a2.LAMBDA * np.eye(40)) @ y0
    assert np.allclose(primal, dual, atol=1e-3)


def test_a_plain_clk_falls_to_50_known_pairs() -> None:
    assert rate("clk", 500, 50) > 0.9


def test_fewer_pairs_find_fewer_people() -> None:
    """Mutation: the attack starved of pairs would fail the test above."""
    assert rate("clk", 500, 2) < 0.5


def test_a_salt_falls_only_when_its_classes_are_told_apart() -> None:
    lab = laboratory(800, "salted")
    target = lab.target(Setting(known=500), RNG(1))
    found = a2.guess(target.material, RNG(1))
    blind = laboratory(800, "salted")
    blind.scheme = type(blind.scheme)(**{**vars(blind.scheme), "classes": None})
    weak = a2.guess(blind.target(Setting(known=500), RNG(1)).material, RNG(1))
    right = [(g.best == target.truth)[target.scored].mean() for g in (found, weak)]
    assert right[0] > 0.3
    assert right[0] > 2 * right[1]


def test_diffusion_holds() -> None:
    assert rate("diffused", 800, 300) < 0.02


def test_a_leaked_pair_gives_away_whoever_shares_its_tokens_and_nobody_else() -> None:
    """
    Keyed passes, by hand: everyone has company in a pair of twins; the known halves give the others.
    """
    lab = laboratory(100, "keyed", schema([{"name": "wide", "on": ["surname", "dob"]}]))
    fields = dict(lab.population.fields)
    for name in ("surname", "dob"):
        column = fields[name]
        # 50 households of two: the code of a row is that of its household.
        codes = np.repeat(np.arange(50), 2).astype(np.int32) % len(column.values)
        fields[name] = type(column)(column.values, codes)
    lab.population = type(lab.population)(100, lab.population.source, fields, {})
    target = lab.target(Setting(known=30), RNG(1))
    known = target.material.known
    assert known is not None
    found = a2.guess(target.material, RNG(1))
    assert isinstance(found, Guesses)
    pair_of = target.material.reference.cleaned.source[target.truth] // 2
    company = np.isin(pair_of, pair_of[known.rows]) & target.scored
    assert (found.best[company] == target.truth[company]).all()  # type: ignore[index]
    assert (found.best[target.scored & ~company] == -1).all()


def test_without_pairs_there_is_no_attack() -> None:
    target = laboratory(50, "clk").target(Setting(), RNG(1))
    with pytest.raises(ValueError, match="known"):
        a2.guess(target.material, RNG(1))
