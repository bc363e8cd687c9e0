"""The laboratory: who is in which file, what leaks and what does not."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from toy_people import laboratory, people

from pseudolink.attacks.attack import Material, Setting
from pseudolink.attacks.laboratory import truth_of
from pseudolink.attacks.mistakes import with_mistakes
from pseudolink.errors import UsageError

RNG = np.random.default_rng


def test_what_an_attack_is_given_holds_no_truth() -> None:
    """By construction: Material has no field for it, and rows and IDs come in random order."""
    assert not [f.name for f in fields(Material) if "truth" in f.name]
    one = laboratory(200, "keyed").target(Setting(), RNG(1))
    assert one.truth is not None
    assert abs(np.corrcoef(one.truth, np.arange(200))[0, 1]) < 0.3


@pytest.mark.parametrize("overlap", [1.0, 0.8, 0.5])
def test_the_overlap_is_the_share_in_both(overlap: float) -> None:
    one = laboratory(600, "clk").target(Setting(records=300, overlap=overlap), RNG(1))
    assert one.truth is not None
    assert one.material.view.rows == one.material.reference.rows == 300
    assert (one.truth >= 0).sum() == 300 * overlap


def test_the_same_seed_gives_the_same_experiment_and_another_another() -> None:
    views = [laboratory(100, "clk").target(Setting(), RNG(seed)).material.view.bits for seed in (1, 1, 2)]
    assert np.array_equal(views[0], views[1])
    assert not np.array_equal(views[0], views[2])


def test_another_project_does_not_join() -> None:
    lab = laboratory(50, "keyed")
    first, second = (lab.encode(np.arange(50), RNG(1), project=name) for name in ("a", "b"))
    assert first.encodings is not None
    assert second.encodings is not None
    for name, one in first.encodings.passes.items():
        assert not np.isin(one.tokens[:, 0], second.encodings.passes[name].tokens[:, 0]).any()


def test_more_known_pairs_than_people_are_refused() -> None:
    with pytest.raises(UsageError):
        laboratory(20, "clk").target(Setting(known=20), RNG(1))


def test_truth_finds_the_row_of_a_person() -> None:
    assert truth_of(np.asarray([5, 9, 7]), np.asarray([7, 5, 5])).tolist() == [1, -1, 0]
    assert truth_of(np.asarray([5]), np.asarray([], dtype=np.int64)).tolist() == [-1]


def test_mistakes_are_as_many_as_asked_for() -> None:
    cleaned = people(3_000)
    wrong = with_mistakes(cleaned, 0.2, RNG(1))
    for name, column in cleaned.fields.items():
        other = wrong.fields[name]
        before = [column.values[c] for c in column.codes]
        after = [other.values[c] if c >= 0 else None for c in other.codes]
        changed = np.mean([a != b for a, b in zip(before, after, strict=True)])
        assert 0.15 < changed < 0.21
        assert list(other.values) == sorted(set(other.values))
    assert with_mistakes(cleaned, 0.0, RNG(1)).fields == cleaned.fields
