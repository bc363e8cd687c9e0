"""The compiled road for common cells says what the rules say, or leaves the cell to them."""

from __future__ import annotations

import datetime
from functools import partial

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pseudolink.clean import date
from pseudolink.clean.compiled import CELLS, date_cells
from pseudolink.clean.extract import JUDGES
from pseudolink.clean.verdict import Verdict
from pseudolink.formats.cleaned import Texts

TODAY = datetime.date(2026, 1, 15)

# fmt: off
TRICKY = (
    "ANN ann Zoë O' O'BRIEN D'ARCY MC MAC VAN DEN BERG ST JOHN MR DR JR ESQ TWIN 1 NOT KNOWN N/K NK TEST X "
    "XX A O BABY OF NULL UNKNOWN DECEASED DUPLICATED PROFESSORS SMITH-JONES ß ẞ Ọláyínká ỌLÁ Ẹ̀BÙN Siân Ŷ ŵ "
    "Łukasz Æ ǅ ŉ ﬁ Ɓ ĸ ǰ İ ı ſ \u212a \u212b 李 Ώ \u0430\u0301 \u0301 \u0345 \ufffd \u200d \u00a0 . * -"
)
# fmt: on
WORDS = st.sampled_from(TRICKY.split(" "))
LETTERS = st.text(
    st.one_of(
        st.sampled_from("ABZaz '-"),
        st.characters(min_codepoint=0xA0, max_codepoint=0x24F),
        st.characters(min_codepoint=0x1E00, max_codepoint=0x1EFF),
        st.characters(min_codepoint=0x300, max_codepoint=0x36F),
    ),
    max_size=12,
)
NAMES = st.one_of(
    LETTERS,
    st.lists(st.one_of(WORDS, LETTERS), max_size=4).map(" ".join),
    st.lists(WORDS, max_size=4).map("-".join),
    st.text(max_size=8),
    st.sampled_from(
        ["A" * 100, "A" * 101, "ß" * 50, "ß" * 51, "O'" * 50 + "A", "ﬃ" * 20, "A'" * 40 + "ß" * 10]
    ),
)
FIGURES = "0123456789"
NINOS = st.from_regex(r"[A-Za-z]{2} ?[0-9]{2} ?[0-9]{4} ?[A-Ea-e]?", fullmatch=True)
UPNS = st.tuples(
    st.sampled_from("ABCDEFGHJKLMNPQRTUVWXYZIa"),
    st.sampled_from(["801200005001", "840200099001", "808200099001", "99920009900", "84020009901A"]),
).map("".join)
POSTCODES = st.from_regex(r"[A-Za-z]{1,2}[0-9][0-9A-Za-z]? ?[0-9][A-Za-z]{2}", fullmatch=True)
CODES = st.one_of(
    NINOS,
    UPNS,
    POSTCODES,
    st.sampled_from(
        ["B801200005001", "R840200099001", "N808200099001", "Q84020009901A", "DH1 3AB", "GIR 0AA", "ZZ99 3VZ",
         "BFPO 57", "N1P 1AA", "EC1A1BB", " ab 12 34 56 c ", "TN010190M", "QQ123456A", "", " ", "N/K"]
    ),
    st.text(max_size=14),
    st.text(st.sampled_from("ABNXZ019 -"), max_size=10),
)  # fmt: skip
DATES = st.one_of(
    st.dates().map(lambda d: d.isoformat()),
    st.tuples(st.dates(), st.sampled_from("-/. ")).map(lambda p: p[0].strftime(f"%d{p[1]}%m{p[1]}%Y")),
    st.from_regex(r"[0-9]{2,4}[-/.][0-9]{2}[-/.][0-9]{2,4}", fullmatch=True),
    st.sampled_from(["1900-01-01", "1901-01-01", "1800-01-01", "2024-02-29", "1900-02-29", "2026-01-16",
                     "2026-01-15", "0999-01-01", "1957-XX-01", "01-02-1957 ", "٠١-٠٢-١٩٥٧"]),
    st.text(max_size=12),
)  # fmt: skip


def agrees(cells, judge, compiled):
    texts = Texts.of(cells)
    found, done = compiled(texts)
    assert len(found) == len(done) == len(cells)
    for cell, value, sure in zip(cells, found, done, strict=True):
        if sure:
            assert judge(cell) == Verdict(value)
        else:
            assert value == ""
    return done


@pytest.mark.parametrize("kind", ["forename", "surname"])
@given(st.lists(NAMES, max_size=12))
@example(["Ann", "O'Brien", "SIÂN", "Mary-Ann", "Ọláyínká", "ß" * 40])
@settings(max_examples=300)
def test_names_are_those_of_the_rules(kind, cells):
    agrees(cells, JUDGES[kind], CELLS[kind])


@pytest.mark.parametrize("kind", ["nino", "upn", "postcode"])
@given(st.lists(CODES, max_size=12))
@settings(max_examples=300)
def test_numbers_and_postcodes_are_those_of_the_rules(kind, cells):
    agrees(cells, JUDGES[kind], CELLS[kind])


@given(st.lists(DATES, max_size=12))
@settings(max_examples=300)
def test_dates_are_those_of_the_rules(cells):
    agrees(cells, partial(date.judge, today=TODAY), partial(date_cells, today=TODAY))


def test_what_is_common_takes_the_compiled_road():
    """Else this is only slow: Welsh, Yoruba and Polish names, double names, cells in lower case."""
    cells = [
        "ANN",
        "ann",
        "Zoë",
        "Siân Mair",
        "Ọláyínká",
        "Adébáyọ̀",
        "Łukasz",
        "O'Brien",
        "Smith-Jones",
        "Æthelred",
    ]
    assert agrees(cells, JUDGES["surname"], CELLS["surname"]).all()
    assert agrees(["QQ123456A"], JUDGES["nino"], CELLS["nino"]).tolist() == [False]
    assert agrees(["AB123456C", "ab 12 34 56 c", "JG123456"], JUDGES["nino"], CELLS["nino"]).all()
    assert agrees(["B801200005001", "r840200099001"], JUDGES["upn"], CELLS["upn"]).all()
    assert agrees(["DH1 3AB", "ec1a1bb", "W1A 0AX", "M1 1AE"], JUDGES["postcode"], CELLS["postcode"]).all()
    dates = ["1957-03-02", "02/03/1957", "29.02.2024"]
    assert agrees(dates, partial(date.judge, today=TODAY), partial(date_cells, today=TODAY)).all()
