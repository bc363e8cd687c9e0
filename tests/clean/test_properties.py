"""What holds for any cell at all."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pseudolink.clean import date, upn
from pseudolink.clean.extract import JUDGES
from pseudolink.clean.folding import fold, plain
from pseudolink.clean.verdict import Verdict

TODAY = datetime.date(2026, 1, 15)
Judge = Callable[[str], Verdict]
KINDS = {**JUDGES, "date": partial(date.judge, today=TODAY)}

#: Words of the rules themselves, so that they meet in every order.
_WORDS = (
    "MR DR JR O O' D' MC MAC VAN DER DE LA DELA ST AL BIN DA ME L' - -- ' . / X XX NK N/K N UNKNOWN "
    "BABY OF TWIN 1 2 NULL SMITH Zoë Łø ß İ ǰ ΐ ŉ ZZ99 3VZ BFPO 57 DH1 3NS AB 12 34 56 C TN 020357 F "
    "1957 -03 -02 /02/ XX 00:00 Mar 19570302 R840200099001 9434765919 .0 9276308686 male"
)
_PIECES = _WORDS.split()
CELLS = st.one_of(
    st.text(max_size=40),
    st.lists(st.sampled_from([*_PIECES, " ", "  ", "-"]), max_size=8).map("".join),
    st.lists(st.sampled_from(_PIECES), max_size=6).map(" ".join),
    st.from_regex(r"[A-Z]{2}[0-9]{6}[A-D]?", fullmatch=True),
    st.from_regex(r"[A-Z]{1,2}[0-9][0-9A-Z]? ?[0-9][A-Z]{2}", fullmatch=True),
    st.from_regex(r"[0-9]{1,4}[-/. ][0-9]{1,2}[-/. ][0-9]{1,4}", fullmatch=True),
    st.from_regex(r"([0-9]{4}|XXXX)-([0-9]{2}|XX)-([0-9]{2}|XX)", fullmatch=True),
    st.from_regex(r"[0-9]{10}(\.0)?", fullmatch=True),
    st.from_regex(r"[A-Z][0-9]{11}[0-9A-Z]", fullmatch=True),
)
SHAPES = {
    "date": r"([0-9]{4}|XXXX)-([0-9]{2}|XX)-([0-9]{2}|XX)",
    "postcode": r"[A-Z]{1,2}[0-9][0-9A-Z]? [0-9][A-Z]{2}|GIR 0AA|BFPO [0-9]{1,4}",
    "sex": "[MF]",
    "nino": "[A-Z]{2}[0-9]{6}[A-D]?",
    "upn": "[A-Z][0-9]{11}[0-9A-Z]",
    "nhs": "[0-9]{10}",
    "uln": "[1-9][0-9]{9}",
}


@pytest.mark.parametrize("kind", KINDS)
@given(cell=CELLS)
def test_cleaning_twice_is_cleaning_once(kind: str, cell: str) -> None:
    """Any cell gives a value or none, without an exception, and a value is its own value."""
    judge = KINDS[kind]
    value = judge(cell).value
    assert value is None or judge(value).value == value


@pytest.mark.parametrize("kind", KINDS)
@given(cell=CELLS)
def test_a_value_has_the_canonical_form(kind: str, cell: str) -> None:
    """Upper case, single blanks, writable as UTF-8, of the shape of its kind."""
    value = KINDS[kind](cell).value
    if value is None:
        return
    value.encode()
    assert value == " ".join(value.split()) != ""
    assert value == fold(value)
    if kind in SHAPES:
        assert re.fullmatch(SHAPES[kind], value)


@pytest.mark.parametrize("kind", KINDS)
@given(cell=CELLS)
def test_a_cell_is_blank_valid_broken_or_flagged(kind: str, cell: str) -> None:
    """In one column, a broken cell has no value, and only a cell with nothing in it has no verdict."""
    value, rule, flag = KINDS[kind](cell)
    assert rule is None or (value is None and flag is None)
    assert (value, rule, flag) != (None, None, None) or not plain(cell).strip("X-")


@pytest.mark.parametrize("kind", KINDS)
@given(cell=CELLS, before=st.text(alphabet=" \t\u00a0\u200b\ufeff", max_size=3))
def test_blanks_around_and_case_do_not_matter(kind: str, cell: str, before: str) -> None:
    """What a system pads with never decides whether two cells are equal."""
    judge = KINDS[kind]
    assert judge(before + cell + before) == judge(cell)
    assert judge(fold(cell)) == judge(cell)


@given(
    day=st.dates(datetime.date(1000, 1, 1), datetime.date(2026, 1, 15)),
    form=st.sampled_from(["%Y-%m-%d", "%d/%m/%Y", "%d.%m.%Y", "%d %m %Y", "%Y%m%d", "%d %B %Y", "%d-%b-%Y"]),
)
def test_a_date_is_read_in_every_form_without_declaring_it(day: datetime.date, form: str) -> None:
    """All these forms of one day are one value, placeholders apart."""
    expected = None if day.isoformat() in date.PLACEHOLDERS else day.isoformat()
    assert date.clean(day.strftime(form), today=TODAY) == expected


@given(day=st.dates(datetime.date(1000, 1, 1), datetime.date(2026, 1, 15)))
def test_month_and_day_never_change_places(day: datetime.date) -> None:
    """A month-day-year file is refused cell by cell or misread as a whole, never mixed."""
    month_first = day.strftime("%m/%d/%Y")
    if day.day > 12:
        assert date.judge(month_first, today=TODAY).rule == "date.impossible"
    assert date.judge(month_first, formats=["%m/%d/%Y"], today=TODAY) == date.judge(
        day.isoformat(), today=TODAY
    )


@given(cells=st.tuples(*[st.one_of(st.text(max_size=6), st.integers(0, 2100).map(str))] * 3))
def test_parts_give_a_value_of_known_parts_or_none(cells: tuple[str, str, str]) -> None:
    """No three cells raise; what is known is written with figures, the rest with X."""
    value, _, flag = date.judge_parts(*cells, today=TODAY)
    assert value is None or re.fullmatch(SHAPES["date"], value)
    assert (flag == "date.partial") == (value is not None and "X" in value)


@given(
    rest=st.from_regex(r"[0-9]{11}[0-9A-HJ-NP-RT-Z]", fullmatch=True),
    place=st.integers(1, 11),
    by=st.integers(1, 9),
)
def test_no_single_wrong_figure_passes_the_check_letter(rest: str, place: int, by: int) -> None:
    """Positions 2 to 13 have weights without a common factor with 23."""
    wrong = rest[: place - 1] + str((int(rest[place - 1]) + by) % 10) + rest[place:]
    letter = upn.check_letter(rest)
    assert upn.clean(letter + rest) == letter + rest
    assert upn.judge(letter + wrong).rule == "upn.check-letter"
