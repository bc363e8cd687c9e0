"""rates-v1: what is told of subgroups, and what no difference gives away."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pseudolink.errors import ReleaseError
from pseudolink.release.rates import FEWEST, MISSING, Group, Rate, linkage_rates, suppressed

COUNTS = st.dictionaries(
    st.text("abcdefgh", min_size=1, max_size=2), st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=8
)


@given(COUNTS)
def test_no_difference_to_a_total_gives_a_small_group_away(groups: Mapping[str, tuple[int, int]]) -> None:
    hidden = suppressed({name: Group(counts) for name, counts in groups.items()})
    assert all(min(groups[name]) >= FEWEST for name in groups if name not in hidden)
    if hidden and len(hidden) < len(groups):
        assert len(hidden) >= 2
        for side in (0, 1):
            assert sum(groups[name][side] for name in hidden) >= FEWEST


def test_nothing_is_hidden_where_every_group_is_large() -> None:
    assert suppressed({"a": Group((10, 10)), "b": Group((500, 30))}) == set()


def test_a_group_that_is_linked_altogether_is_hidden() -> None:
    """That everybody of a kind is in an agency's file is news of each of them."""
    groups = {"all": (0, 90), "some": (40, 50), "others": (60, 60), "more": (99, 99)}
    assert "all" in suppressed({name: Group(counts) for name, counts in groups.items()})


def tables(groups: Mapping[str | None, tuple[int, int]]) -> tuple[pa.Table, dict[str, pa.Table]]:
    """A cohort whose groups have so many records without and with a link to the schools."""
    records, values, links = [], [], []
    for value, (without, with_) in groups.items():
        for n in range(without + with_):
            record = len(records).to_bytes(16, "big")
            records.append(record)
            values.append(value)
            person = record[::-1]
            links.append(("council", record, person))
            if n < with_:
                links.append(("schools", b"s" + record[1:], person))
    schools = [record for party, record, _ in links if party == "schools"]
    names = ("party", "record", "person")
    link_map = pa.table({name: [one[n] for one in links] for n, name in enumerate(names)})
    return link_map, {
        "council": pa.table({"record": records, "born": pa.array(values, pa.string())}),
        "schools": pa.table({"record": pa.array(schools, pa.binary())}),
    }


def test_rates_are_of_rounded_counts() -> None:
    link_map, payloads = tables({"1981": (33, 28), "1992": (12, 100)})
    assert linkage_rates(link_map, payloads, ["born"], cohort="council") == [
        Rate("council", "schools", "born", "1981", 60, 30, 50),
        Rate("council", "schools", "born", "1992", 110, 100, 91),
    ]


def test_years_are_put_in_bands_and_missing_ones_apart() -> None:
    link_map, payloads = tables({"1981-02": (20, 20), "1989": (20, 20), None: (20, 30)})
    found = linkage_rates(link_map, payloads, ["born"], cohort="council", band=10)
    assert [(one.group, one.records, one.linked) for one in found] == [
        (MISSING, 50, 30),
        ("1980 to 1989", 80, 40),
    ]


def test_a_hidden_group_is_not_even_named() -> None:
    link_map, payloads = tables({"rare": (3, 2), "a": (50, 60), "b": (70, 80), "c": (90, 90)})
    found = linkage_rates(link_map, payloads, ["born"], cohort="council")
    assert [one.group for one in found] == ["b", "c", "(not told)"]
    assert found[-1].records is found[-1].linked is found[-1].rate is None


def test_an_attribute_that_nobody_has_is_refused() -> None:
    link_map, payloads = tables({"a": (50, 60)})
    with pytest.raises(ReleaseError, match="'region'"):
        linkage_rates(link_map, payloads, ["region"], cohort="council")


def test_an_attribute_with_a_value_for_everybody_is_refused_without_a_value() -> None:
    link_map, payloads = tables({f"secret{n}": (1, 1) for n in range(40)})
    with pytest.raises(ReleaseError) as caught:
        linkage_rates(link_map, payloads, ["born"], cohort="council")
    assert "secret" not in str(caught.value)
    with pytest.raises(ReleaseError) as caught:
        linkage_rates(link_map, payloads, ["born"], cohort="council", band=10)
    assert "secret" not in str(caught.value)


def test_a_group_of_one_large_family_is_hidden_although_it_has_ten_people() -> None:
    link_map, payloads = tables({"a": (20, 20), "b": (30, 30), "c": (25, 25)})
    families = [f"f{n}" for n in range(payloads["council"].num_rows)]
    payloads["council"] = payloads["council"].append_column("family_id", pa.array(families))
    everything = {
        (one.group, one.party) for one in linkage_rates(link_map, payloads, ["born"], cohort="council")
    }
    assert ("a", "council") in everything
    families[:12] = ["one family"] * 12  # twelve of those of a who are not linked: nine families left
    payloads["council"] = payloads["council"].set_column(2, "family_id", pa.array(families))
    told = {one.group for one in linkage_rates(link_map, payloads, ["born"], cohort="council")}
    assert "a" not in told
    assert "(not told)" in told


def test_overall_rates_obey_the_same_rules() -> None:
    link_map, payloads = tables({"a": (5, 40)})
    assert [one.records for one in linkage_rates(link_map, payloads, [], cohort="council", overall=True)] == [
        None,
        None,
    ]
    link_map, payloads = tables({"a": (60, 40)})
    first = linkage_rates(link_map, payloads, [], cohort="council", overall=True)[0]
    assert (first.attribute, first.group, first.records, first.linked, first.rate) == (
        "(all)",
        "(all)",
        100,
        40,
        40,
    )
