"""A3 and A4: populations matched by similarities alone, and what weakening the attack does to it."""

from __future__ import annotations

import numpy as np
from toy_people import laboratory, schema

from pseudolink.attacks import landmarks, likeness, suite
from pseudolink.attacks.attack import Setting
from pseudolink.attacks.methods import graph_matching as a3

RNG = np.random.default_rng


class Given:
    """A likeness that is written down."""

    def __init__(self, table: np.ndarray) -> None:
        self.rows = len(table)
        self.table = table.astype(np.float32)

    def block(self, rows: np.ndarray, columns: np.ndarray) -> likeness.Matrix:
        found = self.table[np.ix_(rows, columns)].copy()
        found[rows[:, None] == columns[None, :]] = 0
        return found

    def traits(self) -> likeness.Matrix:
        return np.zeros((self.rows, 1), dtype=np.float32)

    def smooth(self, values: likeness.Matrix) -> likeness.Matrix:
        weight = self.block(np.arange(self.rows), np.arange(self.rows))
        found: likeness.Matrix = weight @ values / np.maximum(weight.sum(axis=1, keepdims=True), 1e-9)
        return found


def table(count: int) -> np.ndarray:
    rng = RNG(4)
    places = rng.random((count, 3))
    return np.exp(-np.linalg.norm(places[:, None] - places[None, :], axis=2))


def test_a_population_in_another_order_is_put_in_order() -> None:
    """By hand: 60 people in a space of three dimensions, the same 60 shuffled; the answer is known."""
    known = table(60)
    order = RNG(5).permutation(60)
    found = landmarks.match(Given(known[np.ix_(order, order)]), Given(known))
    assert (found.best == order).all()
    assert found.fit > 0.99


def test_people_who_are_all_alike_cannot_be_told_apart() -> None:
    same = np.ones((30, 30))
    order = RNG(5).permutation(30)
    found = landmarks.match(Given(same), Given(same))
    assert (found.best == order).mean() < 0.3


def test_records_that_resemble_nobody_are_not_guessed() -> None:
    known = np.zeros((40, 40))
    known[:20, :20] = table(20)
    found = landmarks.match(Given(known), Given(known))
    assert (found.best[:20] == np.arange(20)).all()
    assert (found.confidence[20:] == 0).all() or (found.best[20:] == -1).all()


def a3_rate(scheme: str, count: int, **setting: object) -> float:
    lab = laboratory(round(count * 2), scheme)
    found = suite.run(a3.ATTACKS[0], lab, Setting(count, **setting), 1)  # type: ignore[arg-type]
    assert found.result is not None
    assert found.result.lucky
    return found.result.figures["rate"]


def test_a_plain_clk_falls_to_graph_matching() -> None:
    assert a3_rate("clk", 400) > 0.97


def test_balancing_does_not_help() -> None:
    assert a3_rate("balanced", 400) > 0.97


def test_without_rounds_of_landmarks_it_would_not_have_fallen() -> None:
    """Mutation: the first description alone, which is what the rounds start from."""
    target = laboratory(800, "clk").target(Setting(400, overlap=0.8), RNG(1))
    sides = likeness.of_view(target.material.view), likeness.of_reference(target.material)
    rates = [
        ((landmarks.match(*sides, rounds=rounds).best == target.truth) & (target.truth >= 0)).sum() / 320  # type: ignore[operator]
        for rounds in (0, landmarks.ROUNDS)
    ]
    assert rates[0] < 0.5 * rates[1]
    assert rates[1] > 0.9


def test_above_the_exact_size_mutual_choices_do_it_too(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(landmarks, "EXACT", 100)
    assert a3_rate("clk", 400) > 0.97


def test_diffusion_holds() -> None:
    assert a3_rate("diffused", 300) < 0.05


def test_narrow_keyed_passes_hold() -> None:
    lab = laboratory(1_000, "keyed")
    found = suite.run(a3.ATTACKS[0], lab, Setting(), 1)
    assert found.result is not None
    assert found.result.figures["rate"] <= 0.005


def test_broad_keyed_passes_give_people_away_by_who_shares_tokens() -> None:
    """The adaptation to tokens is an attack and no formality: wide passes without decoys fall to it."""
    on = [
        ["surname"],
        ["forename", "dob.year"],
        ["postcode"],
        ["dob.year_month"],
        ["forename", "surname.initial"],
    ]
    design = schema([{"name": f"p{n}", "on": one} for n, one in enumerate(on)])
    found = suite.run(a3.ATTACKS[0], laboratory(400, "keyed", design), Setting(), 1)
    assert found.result is not None
    assert found.result.figures["rate"] > 0.9


def test_what_graph_matching_found_trains_the_known_plaintext_attack() -> None:
    lab = laboratory(500, "clk")
    found = suite.run(a3.ATTACKS[1], lab, Setting(), 1)
    assert found.result is not None
    assert found.result.notes["training_pairs"] == 150
    assert found.result.figures["rate"] > 0.9


def test_a4_keeps_its_training_pairs_as_guesses() -> None:
    """They are guesses like all others: leaving them out would flatter nobody and hide people."""
    target = laboratory(300, "clk").target(Setting(), RNG(1))
    found = a3.guess_trained(target.material, RNG(1))
    assert (found.best >= 0).all()
