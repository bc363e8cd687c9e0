"""review-v1 sections 3, 5 and 6: the sample, two reviewers, and what labels say."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from review_candidates import made, reviewer, simulated

from pseudolink.errors import ArtefactError, ReviewError
from pseudolink.formats import reviews
from pseudolink.formats.reviews import Head, Label, Labels, Pair
from pseudolink.roles import review
from pseudolink.roles.review import allocate, begin, compare, constraints, sample, strata, together
from pseudolink.roles.review_estimates import revise

AT = "2026-06-01T10:00:00Z"


def labels(given: dict[Pair, str], *, candidates: str = "0" * 64, name: str = "A") -> Labels:
    lines = tuple(Label(a, b, label, False, AT) for (a, b), label in given.items())
    return Labels(Head(candidates, name, 10, 0), lines, 0)


def numbered(*said: str) -> dict[Pair, str]:
    return {(bytes([n] * 16), bytes(16)): label for n, label in enumerate(said)}


VECTORS = [
    json.loads(p.read_text(encoding="utf-8")) | {"id": p.stem}
    for p in sorted((Path(__file__).parents[2] / "specs" / "vectors" / "review").glob("*.json"))
]


@pytest.mark.parametrize("vector", [v for v in VECTORS if v["case"] == "labels"], ids=lambda v: v["id"])
def test_any_operator_reads_labels_alike(vector: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "labels"
    path.write_text(vector["text"], encoding="utf-8", newline="")
    if vector["expect"] == "success":
        found = [[a.hex(), b.hex(), one.label] for (a, b), one in reviews.read_labels(path).last.items()]
        assert vector["labels"] == found
    else:
        with pytest.raises(ArtefactError) as caught:
            reviews.read_labels(path)
        assert [f"line {n}" for n in vector["lines"]] == [p.place for p in caught.value.problems]


@pytest.mark.parametrize("vector", [v for v in VECTORS if v["case"] == "kappa"], ids=lambda v: v["id"])
def test_any_operator_compares_reviewers_alike(vector: dict[str, Any]) -> None:
    expected = [vector[name] for name in ("kappa", "low", "high")]
    assert list(review._kappa(np.asarray(vector["counts"]))) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("vector", [v for v in VECTORS if v["case"] == "allocate"], ids=lambda v: v["id"])
def test_any_operator_samples_strata_alike(vector: dict[str, Any]) -> None:
    assert vector["given"] == allocate(vector["sizes"], vector["uncertainty"], vector["pairs"])


# ---------------------------------------------------------------- the sample


@given(st.lists(st.tuples(st.integers(1, 50), st.floats(0, 5)), min_size=1, max_size=8), st.integers(1, 150))
def test_a_sample_takes_what_was_asked_for_and_no_more_than_there_is(groups: Any, wanted: int) -> None:
    sizes, spread = [g[0] for g in groups], [g[1] for g in groups]
    given_ = allocate(sizes, spread, wanted)
    assert sum(given_) == min(wanted, sum(sizes))
    assert all(0 <= n <= size for n, size in zip(given_, sizes, strict=True))
    if wanted >= 2 * len(sizes):
        assert all(n >= min(2, size) for n, size in zip(given_, sizes, strict=True))


def test_doubtful_pairs_are_sampled_most(tmp_path: Path) -> None:
    candidates, _ = simulated(2000, 1, tmp_path / "c.parquet")
    probability = candidates.table.column("probability").to_numpy()
    chosen = probability[sample(candidates, 100, 0)]
    doubtful = (chosen > 0.05) & (chosen < 0.95)
    everywhere = (probability > 0.05) & (probability < 0.95)
    assert doubtful.mean() > 2 * everywhere.mean()
    assert (chosen >= 0.99).any()


def test_the_sample_does_not_depend_on_the_order_of_rows(tmp_path: Path) -> None:
    candidates, _ = simulated(300, 2, tmp_path / "c.parquet")
    order = np.random.default_rng(0).permutation(300)
    turned = reviews.Candidates(candidates.table.take(pa.array(order)), candidates.expected, "")
    assert sample(candidates, 50, 7) == [order[n] for n in sample(turned, 50, 7)]


def test_another_seed_is_another_sample(tmp_path: Path) -> None:
    candidates, _ = simulated(300, 2, tmp_path / "c.parquet")
    assert sample(candidates, 50, 1) == sample(candidates, 50, 1)
    assert set(sample(candidates, 50, 1)) != set(sample(candidates, 50, 2))


def test_the_order_in_which_pairs_are_shown_tells_nothing(tmp_path: Path) -> None:
    candidates, _ = simulated(2000, 3, tmp_path / "c.parquet")
    probability = candidates.table.column("probability").to_numpy()[sample(candidates, 400, 0)]
    assert abs(np.corrcoef(np.arange(400), probability)[0, 1]) < 0.12


def test_strata_hold_every_pair_once_and_break_at_the_threshold(tmp_path: Path) -> None:
    candidates, _ = made(
        np.linspace(0, 1, 101), np.zeros(101, dtype=bool), tmp_path / "c.parquet", threshold=0.37
    )
    groups = strata(candidates)
    assert sorted(np.concatenate([g.rows for g in groups]).tolist()) == list(range(101))
    assert 0.37 in [g.edge for g in groups]


# ---------------------------------------------------------------- a session


def test_a_review_goes_on_where_it_ended(tmp_path: Path) -> None:
    simulated(200, 4, tmp_path / "c.parquet")
    options: dict[str, Any] = {"reviewer": "A", "pairs": 10, "seed": 0}
    with begin(tmp_path / "c.parquet", tmp_path / "l.jsonl", **options) as session:
        for label in ("match", "non-match", "unsure"):
            session.say(label)
        front = session.pair()
    with begin(tmp_path / "c.parquet", tmp_path / "l.jsonl", **options) as again:
        assert again.at == 3
        assert again.pair() == front
        again.back()
        assert again.view()["label"] == "unsure"
        again.say("match")
    assert list(constraints([tmp_path / "l.jsonl"]).values()).count(True) == 2


def test_scores_are_hidden_until_they_are_asked_for_and_that_is_kept(tmp_path: Path) -> None:
    simulated(50, 5, tmp_path / "c.parquet")
    with begin(tmp_path / "c.parquet", tmp_path / "l.jsonl", reviewer="A", pairs=5, seed=0) as session:
        assert not {"weight", "probability"} & set(session.view())
        session.say("match")
        session.show()
        assert {"weight", "probability"} <= set(session.view())
        session.say("match")
        assert not {"weight", "probability"} & set(session.view())
    assert [one.shown for one in reviews.read_labels(tmp_path / "l.jsonl").given] == [False, True]


@pytest.mark.parametrize("change", [{"reviewer": "B"}, {"pairs": 6}, {"seed": 1}])
def test_labels_of_another_review_are_not_continued(tmp_path: Path, change: dict[str, Any]) -> None:
    simulated(50, 5, tmp_path / "c.parquet")
    options = {"reviewer": "A", "pairs": 5, "seed": 0}
    begin(tmp_path / "c.parquet", tmp_path / "l.jsonl", **options).file.close()
    with pytest.raises(ReviewError, match="another review"):
        begin(tmp_path / "c.parquet", tmp_path / "l.jsonl", **{**options, **change})


def test_nothing_to_judge_is_said(tmp_path: Path) -> None:
    none = np.zeros(0)
    made(none, none.astype(bool), tmp_path / "c.parquet")
    with pytest.raises(ReviewError, match="no candidate pairs"):
        begin(tmp_path / "c.parquet", tmp_path / "l.jsonl", reviewer="A", pairs=5, seed=0)
    assert not (tmp_path / "l.jsonl").exists()


# ---------------------------------------------------------------- two reviewers


def test_kappa_and_its_interval_are_those_of_the_definition() -> None:
    """0.89 agree and 0.66 would by chance; the error is that of samples drawn again and again."""
    counts = np.asarray([[75, 1, 4], [5, 4, 1], [0, 0, 10]])
    kappa, low, high = review._kappa(counts)
    assert kappa == pytest.approx((0.89 - 0.66) / (1 - 0.66))
    assert low is not None
    assert high is not None
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(100_000, counts.ravel() / 100, 3000).reshape(-1, 3, 3)
    again = [review._kappa(one)[0] for one in drawn]
    # A thousand times the pairs: the error is that of 100 over the root of a thousand.
    error = float(np.std(np.asarray(again, dtype=np.float64))) * math.sqrt(1000)
    assert (high - low) / (2 * 1.96) == pytest.approx(error, rel=0.05)


def test_reviewers_who_agree_on_everything_have_kappa_one() -> None:
    said = numbered("match", "non-match", "match", "unsure")
    found = compare(labels(said), labels(said, name="B"))
    assert (found.kappa, found.low, found.high, found.differing) == (1.0, 1.0, 1.0, ())


def test_one_label_throughout_has_no_kappa() -> None:
    said = numbered("match", "match")
    assert compare(labels(said), labels(said)).kappa is None


@given(st.lists(st.tuples(st.sampled_from(reviews.LABELS), st.sampled_from(reviews.LABELS)), min_size=1))
def test_kappa_stays_within_its_bounds_and_is_the_same_both_ways(said: list[tuple[str, str]]) -> None:
    a, b = labels(numbered(*(x for x, _ in said))), labels(numbered(*(y for _, y in said)))
    found, turned = compare(a, b), compare(b, a)
    assert found.equal == sum(x == y for x, y in said)
    assert (found.kappa is None) == (turned.kappa is None)
    if found.kappa is not None and found.low is not None and found.high is not None:
        assert -1 <= found.low <= found.kappa + 1e-9
        assert found.kappa - 1e-9 <= found.high <= 1
        assert turned.kappa == pytest.approx(found.kappa)


def test_simulated_reviewers_have_the_kappa_of_their_error_rates(tmp_path: Path) -> None:
    """Two who err independently at rate e on even labels agree at 1 - 2e(1 - e)."""
    rng = np.random.default_rng(6)
    candidates, truth = made(np.full(4000, 0.5), rng.random(4000) < 0.5, tmp_path / "c.parquet")
    said = [
        reviewer(candidates, list(range(4000)), truth, wrong=0.1, unsure=0.0, seed=seed) for seed in (1, 2)
    ]
    found = compare(labels(said[0]), labels(said[1]))
    assert found.low is not None
    assert found.high is not None
    assert found.low < 2 * (1 - 2 * 0.1 * 0.9) - 1 < found.high


def test_labels_of_different_candidates_are_not_mixed() -> None:
    a, b = labels(numbered("match")), labels(numbered("match"), candidates="1" * 64)
    for mix in (lambda: compare(a, b), lambda: together([a, b])):
        with pytest.raises(ReviewError, match="different linkages"):
            mix()


def test_where_reviewers_differ_nobody_is_sure() -> None:
    a, b = labels(numbered("match", "match", "unsure")), labels(numbered("match", "non-match"))
    assert list(together([a, b]).values()) == ["match", "unsure", "unsure"]


# ---------------------------------------------------------------- what labels say


def true_quality(candidates: Any, truth: dict[Pair, bool], threshold: float) -> tuple[float, float]:
    probability = candidates.table.column("probability").to_numpy()
    real = np.asarray(list(truth.values()))
    chosen = probability >= threshold
    return real[chosen].mean(), real[chosen].sum() / real.sum()


def test_labels_correct_a_model_that_is_too_sure(tmp_path: Path) -> None:
    """The model believes in odds four times the true ones; 400 labels see it."""
    candidates, truth = simulated(5000, 7, tmp_path / "c.parquet", shift=0.25)
    said = reviewer(candidates, sample(candidates, 400, 0), truth, wrong=0.0, unsure=0.0, seed=1)
    now = revise(candidates, said)[0].current
    precision, _ = true_quality(candidates, truth, 0.5)
    assert abs(now.precision - precision) < abs(now.model_precision - precision) / 2
    assert now.precision_low <= precision <= now.precision_high


def test_intervals_hold_the_truth_as_often_as_they_say(tmp_path: Path) -> None:
    held = {"precision": 0, "recall": 0}
    runs = 60
    for seed in range(runs):
        candidates, truth = simulated(1500, seed, tmp_path / f"{seed}.parquet", shift=0.5)
        said = reviewer(candidates, sample(candidates, 120, seed), truth, wrong=0.0, unsure=0.0, seed=seed)
        now = revise(candidates, said)[0].current
        precision, _ = true_quality(candidates, truth, 0.5)
        held["precision"] += now.precision_low <= precision <= now.precision_high
        recall = true_quality(candidates, truth, 0.5)[1]
        held["recall"] += now.recall_low <= recall <= now.recall_high
    assert held["precision"] >= 0.88 * runs
    assert held["recall"] >= 0.88 * runs


def test_doubt_of_reviewers_widens_the_interval(tmp_path: Path) -> None:
    candidates, truth = simulated(1500, 8, tmp_path / "c.parquet")
    rows = sample(candidates, 150, 0)
    width = []
    for unsure in (0.0, 0.4):
        now = revise(candidates, reviewer(candidates, rows, truth, wrong=0.0, unsure=unsure, seed=3))[
            0
        ].current
        width.append(now.precision_high - now.precision_low)
    assert width[1] > width[0]


def test_every_pair_labelled_is_the_truth_itself(tmp_path: Path) -> None:
    candidates, truth = simulated(400, 9, tmp_path / "c.parquet", shift=0.3)
    said = reviewer(candidates, list(range(400)), truth, wrong=0.0, unsure=0.0, seed=0)
    now = revise(candidates, said)[0].current
    precision, _ = true_quality(candidates, truth, 0.5)
    assert (now.precision, now.precision_low, now.precision_high) == pytest.approx([precision] * 3)


def test_the_threshold_moves_to_the_precision_asked_for(tmp_path: Path) -> None:
    candidates, truth = simulated(5000, 10, tmp_path / "c.parquet", shift=0.25)
    said = reviewer(candidates, sample(candidates, 400, 0), truth, wrong=0.0, unsure=0.0, seed=1)
    found = revise(candidates, said, 0.97)[0]
    assert found.best.threshold > found.current.threshold
    assert true_quality(candidates, truth, found.best.threshold)[0] > 0.95
    with pytest.raises(ReviewError, match="no threshold reaches"):
        revise(candidates, dict.fromkeys(said, "non-match"), 0.999)


def test_matches_that_no_pass_finds_count_against_recall(tmp_path: Path) -> None:
    sure = np.full(100, 0.9)
    few, _ = made(sure, sure > 0, tmp_path / "a.parquet", matches=90.0)
    more, _ = made(sure, sure > 0, tmp_path / "b.parquet", matches=180.0)
    assert revise(few, {})[0].current.recall == pytest.approx(1.0)
    assert revise(more, {})[0].current.recall == pytest.approx(0.5)


def test_labels_of_strangers_are_refused(tmp_path: Path) -> None:
    candidates, _ = simulated(50, 11, tmp_path / "c.parquet")
    with pytest.raises(ReviewError, match="1 labelled pairs"):
        revise(candidates, {(b"x" * 16, b"y" * 16): "match"})


def test_estimates_are_the_same_in_every_run(tmp_path: Path) -> None:
    candidates, truth = simulated(500, 12, tmp_path / "c.parquet")
    said = reviewer(candidates, sample(candidates, 60, 0), truth, wrong=0.0, unsure=0.1, seed=1)
    assert revise(candidates, said) == revise(candidates, said)
    assert not math.isnan(revise(candidates, said)[0].current.f1)
