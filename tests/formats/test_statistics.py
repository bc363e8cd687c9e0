"""scoring-v1 section 2.7: agreement by chance as a manifest states it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pseudolink.errors import ArtefactError
from pseudolink.formats import canonical
from pseudolink.formats.statistics import FieldStatistics, Statistics, coarsened, read

GOOD: dict[str, Any] = {
    "fields": {
        "sex": {"pairs": 100, "states": [48, 52], "sampled": []},
        "forename": {
            "pairs": 1000,
            "states": [None, 12, 980],
            "sampled": [[None, None, None, None], [None, 10, 20, 30], [None, None, 40, 5000]],
        },
    },
    "swapped": {"sorted": None, "sorted,sorted_soundex": 11},
    "swapped_pairs": 900,
}

counts = st.none() | st.integers(10, 50)
fields = st.builds(
    lambda states, compared: FieldStatistics(
        2000, tuple(states), tuple((None, 10, None, 20) for _ in states) if compared else ()
    ),
    st.lists(counts, min_size=1, max_size=8),
    st.booleans(),
)


@given(
    st.dictionaries(st.text(max_size=5), fields, max_size=4),
    st.dictionaries(st.text(max_size=5), counts, max_size=4),
)
def test_what_is_written_is_read_back(
    found: dict[str, FieldStatistics], swapped: dict[str, int | None]
) -> None:
    before = Statistics(found, swapped, 1000)
    assert Statistics.from_json(canonical.loads(canonical.dumps(before.to_json()))) == before


def refused(value: Any) -> list[str]:
    with pytest.raises(ArtefactError) as caught:
        Statistics.from_json(value)
    return [p.place for p in caught.value.problems]


def changed(*path: Any, to: Any) -> Any:
    value = copy.deepcopy(GOOD)
    at = value
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = to
    return value


def test_the_good_one_is_good() -> None:
    assert Statistics.from_json(GOOD).to_json() == GOOD


@pytest.mark.parametrize(
    ("value", "place"),
    [
        (changed("swapped_pairs", to=None), "chance.swapped_pairs"),
        (changed("swapped_pairs", to=-1), "chance.swapped_pairs"),
        (changed("swapped_pairs", to=True), "chance.swapped_pairs"),
        (changed("swapped", to=[]), "chance.swapped"),
        (changed("swapped", "sorted", to="11"), "chance.swapped.sorted"),
        (changed("swapped", "sorted", to=1000), "chance.swapped"),
        (changed("fields", to=None), "chance.fields"),
        (changed("fields", "sex", to=[]), "chance.fields.sex"),
        (changed("fields", "sex", "pairs", to=1.5), "chance.fields.sex.pairs"),
        (changed("fields", "sex", "states", to={}), "chance.fields.sex.states"),
        (changed("fields", "sex", "states", 1, to=0.5), "chance.fields.sex.states[1]"),
        (changed("fields", "sex", "states", 0, to=49), "chance.fields.sex.states"),
        (changed("fields", "sex", "more", to=1), "chance.fields.sex"),
        (changed("fields", "forename", "sampled", 1, to=[10, 20]), "chance.fields.forename.sampled[1]"),
        (changed("fields", "forename", "sampled", 1, 2, to="x"), "chance.fields.forename.sampled[1][2]"),
        (changed("fields", "forename", "sampled", to=GOOD["fields"]["forename"]["sampled"][:2]),
         "chance.fields.forename.sampled"),
        (changed("more", to=1), "chance"),
    ],
)  # fmt: skip
def test_a_malformed_part_is_named(value: Any, place: str) -> None:
    assert refused(value) == [place]


@pytest.mark.parametrize("value", [None, [], "chance", 3])
def test_what_is_no_object_is_refused(value: Any) -> None:
    assert refused(value) == ["chance"]


def test_every_problem_is_named_at_once() -> None:
    value = changed("fields", "sex", "pairs", to=-1)
    value["fields"]["forename"]["states"][1] = "12"
    del value["swapped_pairs"]
    assert refused(value) == ["chance", "chance.fields.sex.pairs", "chance.fields.forename.states[1]"]


@pytest.mark.parametrize("count", [0, 1, 9])
def test_singling_out_attack_a_count_below_ten_is_not_accepted(count: int) -> None:
    """Such counts give away single people; the operator must not take them from anybody."""
    assert refused(changed("fields", "sex", "states", 0, to=count)) == ["chance.fields.sex.states[0]"]
    assert refused(changed("swapped", "sorted", to=count)) == ["chance.swapped.sorted"]


def test_a_small_count_is_coarsened_and_read_as_five() -> None:
    assert [coarsened(n) for n in (0, 9, 10, 11)] == [None, None, 10, 11]
    assert [read(n) for n in (None, 10, 11)] == [5, 10, 11]


def test_a_refusal_shows_no_count() -> None:
    with pytest.raises(ArtefactError) as caught:
        Statistics.from_json(changed("fields", "sex", "states", 0, to="secret-7"))
    assert "secret-7" not in str(caught.value.diagnostics())


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["fields", "swapped", "swapped_pairs", "pairs", "states", "sampled"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(json_like)
def test_anything_is_read_back_or_refused(value: Any) -> None:
    problems: Any = ()
    found = None
    try:
        found = Statistics.from_json(value)
    except ArtefactError as error:
        problems = error.problems
    assert problems or (found is not None and found.to_json() == value)
