"""What charts show beside the counts: the same numbers, counted another way."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pseudolink.formats.encodings import Encodings, PassColumns
from pseudolink.roles import detail

LINKS = st.lists(st.tuples(st.sampled_from([0.1, 0.25, 0.5, 0.9, 0.99]), st.floats(-20, 40)), min_size=1)


@given(LINKS)
def test_links_of_steps_are_the_links_at_or_above_each_threshold(links: list[tuple[float, float]]) -> None:
    probability, weight = (np.array(column) for column in zip(*links, strict=True))
    thresholds = np.unique(probability)[::-1]
    edges = detail.edges_of(weight)
    found = detail.steps(probability, weight, thresholds, edges)
    counts = np.zeros(len(edges) - 1, dtype=int)
    for threshold, step in zip(thresholds, found, strict=True):
        for number, more in step.bins:
            counts[number] += more
        reached = weight[probability >= threshold]
        assert counts.tolist() == np.histogram(reached, edges)[0].tolist()
        assert step.weight == reached.min()


@given(LINKS)
def test_about_forty_bins_hold_every_weight(links: list[tuple[float, float]]) -> None:
    weight = np.array([one for _, one in links])
    edges = detail.edges_of(weight)
    assert 2 <= len(edges) <= 44
    assert edges[0] <= weight.min()
    assert edges[-1] >= weight.max()


def test_a_pass_alone_found_what_shares_no_other_token() -> None:
    shared = np.array([0b01, 0b11, 0b10, 0b10, 0b11], dtype=np.uint64)
    found = detail.passes(shared, np.array([0, 1, 2]), ["a", "b"])
    assert [(one.name, one.alone, one.links, one.links_alone) for one in found] == [
        ("a", 1, 2, 1),
        ("b", 2, 2, 1),
    ]


def test_blocks_are_counted_by_size_over_all_passes() -> None:
    tokens = np.array([[7, 1]] * 5 + [[8, 1]] * 2 + [[9, 1]], dtype=np.uint64)
    here = np.ones(8, dtype=bool)
    here[-1] = False
    one = PassColumns(tokens, here, None)
    records = np.arange(8 * 16, dtype=np.uint8).reshape(8, 16)
    found = detail.party(Encodings(records, {"a": one, "b": one}), [])
    assert found.blocks == ((1, 0), (2, 2), (3, 0), (4, 0), (5, 2))
    assert found.unlinkable == ()


def test_a_record_is_unlinkable_where_no_linkage_could_find_it() -> None:
    none = np.zeros((0, 2), dtype=np.uint64)
    empty = Encodings(np.zeros((0, 16), np.uint8), {"a": PassColumns(none, np.zeros(0, bool), None)})
    possible = [np.array([0.999999, 0.4, -1.0]), np.array([0.4, 0.4, -1.0])]
    found = dict(detail.party(empty, possible).unlinkable)
    assert found[0.001] == 1
    assert found[0.5] == 2
    assert found[0.999] == 2


@pytest.mark.parametrize("people", [[], ["a"], ["a", "a", "b", "c", "c"]])
def test_people_are_counted_by_their_records(people: list[str]) -> None:
    sizes = [people.count(one) for one in dict.fromkeys(people)]
    found = dict(detail.clusters(pa.table({"person": pa.array(people, pa.string())})))
    assert found == {size: sizes.count(size) for size in sizes}
