"""clk-v1: bit for bit what clkhash 0.18.3 makes, on schemas and rows made by hypothesis."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from pseudolink.errors import FieldRuleError, PseudolinkError, SchemaError
from pseudolink.interop import clkhash

pytest.importorskip("clkhash", reason="needs: pip install --no-deps clkhash==0.18.3")

from clkhash import clk as oracle
from clkhash.key_derivation import generate_key_lists
from clkhash.schema import from_json_dict

#: A surrogate alone is no text; it has its own test.
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NAMES = st.sampled_from(["", "A", "AB", "ANNA", "O'NEILL-ŚMITH", "ALEXANDER", "Zoë", "李", " ", "AAAA", "nk"])
NUMBERS = st.one_of(
    st.integers(-(10**9), 10**9).map(str), st.sampled_from(["+7", " 12 ", "1_000", "007", "٣", "-0"])
)
REALS = st.one_of(
    NUMBERS,
    st.floats(allow_nan=False, allow_infinity=False, width=32).map(repr),
    st.sampled_from(["19.995", "0.5", "1e3", "-2.25", "2.5", "3.5"]),
)
DATE_FORMATS = ["%Y-%m-%d", "%d/%m/%Y", "%Y%m%d", "%d%m%Y", "%m.%d.%Y", "%d %b %Y", "%y-%m-%d", "%Y-%j"]


@st.composite
def formats(draw: st.DrawFn, kind: str) -> tuple[dict[str, Any], st.SearchStrategy[str]]:
    """A format and cells that fit it."""
    if kind == "integer":
        return {"type": "integer"}, NUMBERS
    if kind == "date":
        layout = draw(st.sampled_from(DATE_FORMATS))
        return {"type": "date", "format": layout}, st.dates().map(
            lambda day: (
                day.strftime(layout.replace("%Y", "@")).replace("@", f"{day.year:04}")
                if "%y" not in layout
                else day.strftime(layout)
            )
        )
    if kind == "enum":
        values = draw(st.lists(NAMES, min_size=1, max_size=3))
        return {"type": "enum", "values": values}, st.sampled_from(values)
    encoding = draw(st.sampled_from(["utf-8", "ascii", "utf-16", "utf-32", None]))
    form: dict[str, Any] = {"type": "string"} | ({"encoding": encoding} if encoding else {})
    if draw(st.booleans()):
        form["pattern"] = ".*"
        cells = st.one_of(NAMES, ANY_TEXT.filter(lambda text: "\n" not in text))
    else:
        form |= draw(
            st.sampled_from([{}, {"case": "mixed"}, {"minLength": 0, "maxLength": 20}, {"maxLength": 20.0}])
        )
        cells = st.one_of(NAMES, ANY_TEXT)
    if encoding == "ascii":
        cells = cells.map(lambda text: text.encode("ascii", "replace").decode())
    return form, cells


@st.composite
def features(draw: st.DrawFn, index: int, hashes: Sequence[str]) -> tuple[dict[str, Any], Any]:
    if draw(st.integers(0, 5)) == 0:
        return {"identifier": f"f{index}", "ignored": True}, ANY_TEXT
    comparison: dict[str, Any]
    if draw(st.integers(0, 3)) == 0:
        comparison = {
            "type": "numeric",
            "thresholdDistance": draw(st.sampled_from([1, 5, 8, 1.5, 0.25, 1000])),
            "resolution": draw(st.integers(1, 4)),
            "fractional_precision": draw(st.integers(1, 3)),
        }
        if draw(st.booleans()) and comparison["thresholdDistance"] >= 1:
            del comparison["fractional_precision"]
        kind = draw(st.sampled_from(["integer", "string"]))
        form, cells = draw(formats(kind)) if kind == "integer" else ({"type": "string"}, REALS)
    else:
        comparison = draw(
            st.one_of(
                st.just({"type": "exact"}),
                st.fixed_dictionaries(
                    {"type": st.just("ngram"), "n": st.integers(1, 5)}, optional={"positional": st.booleans()}
                ),
            )
        )
        form, cells = draw(formats(draw(st.sampled_from(["string", "string", "integer", "date", "enum"]))))
    strategy = draw(st.sampled_from(["bitsPerToken", "bitsPerFeature"]))
    hashing: dict[str, Any] = {
        "comparison": comparison,
        "strategy": {strategy: draw(st.integers(1, 70 if strategy == "bitsPerToken" else 300))},
    }
    kind = draw(st.sampled_from(hashes))
    if kind != "default":
        hashing["hash"] = {"type": kind}
        if kind == "doubleHash" and draw(st.booleans()):
            hashing["hash"]["prevent_singularity"] = draw(st.booleans())
    if draw(st.integers(0, 2)) == 0:
        plain = comparison["type"] != "numeric"
        hashing["missingValue"] = {"sentinel": draw(st.sampled_from(["", "N/A"] if plain else [""]))}
        if draw(st.booleans()):
            hashing["missingValue"]["replaceWith"] = draw(
                st.sampled_from(["", "UNKNOWN", "??"] if plain else ["", "0"])
            )
        cells = st.one_of(cells, st.just(hashing["missingValue"]["sentinel"]))
    return {"identifier": f"f{index}", "format": form, "hashing": hashing}, cells


@st.composite
def cases(draw: st.DrawFn) -> tuple[dict[str, Any], list[list[str]], str]:
    hashes = draw(st.sampled_from([["default", "blakeHash", "doubleHash"], ["doubleHash"]]))
    if hashes == ["doubleHash"]:
        bits = draw(st.integers(2, 700))
        size = draw(st.integers(1, 100))
    else:
        bits = 1 << draw(st.integers(0, 11))
        assume(bits > 1)
        size = draw(st.integers(1, 64))
    kdf = draw(
        st.fixed_dictionaries(
            {"type": st.just("HKDF"), "keySize": st.just(size)},
            optional={
                "hash": st.sampled_from(["SHA256", "SHA512"]),
                "salt": st.sampled_from(["", "c2FsdA==", "c2 Fs\ndA=="]),
                "info": st.sampled_from(["", "aW5mbw=="]),
            },
        )
    )
    config: dict[str, Any] = {"l": bits, "kdf": kdf}
    config |= draw(
        st.fixed_dictionaries({}, optional={"xor_folds": st.integers(0, 3), "xorFolds": st.just(1)})
    )
    made = [draw(features(i, hashes)) for i in range(draw(st.integers(1, 4)))]
    rows = draw(st.lists(st.tuples(*(cells for _, cells in made)).map(list), min_size=1, max_size=6))
    secret = draw(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20))
    return {"version": 3, "clkConfig": config, "features": [one for one, _ in made]}, rows, secret


def by_clkhash(
    rows: Sequence[Sequence[str]], schema: dict[str, Any], secret: str, **options: Any
) -> list[bytes]:
    read = from_json_dict(copy.deepcopy(schema))
    made = oracle.generate_clks(rows, read, secret, max_workers=1, **options)
    return [one.tobytes() for one in made]


def ours(rows: Sequence[Sequence[str]], schema: dict[str, Any], secret: str, **options: Any) -> list[bytes]:
    return [row.tobytes() for row in clkhash.encode(rows, schema, secret, **options)]


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(cases())
def test_every_schema_gives_the_bits_of_clkhash(case: tuple[dict[str, Any], list[list[str]], str]) -> None:
    schema, rows, secret = case
    try:
        expected = by_clkhash(rows, schema, secret)
    except ValueError:
        # An invalid cell, or numbers that clkhash cannot make tokens of: refused here too.
        with pytest.raises(PseudolinkError):
            clkhash.encode(rows, schema, secret)
        return
    before = copy.deepcopy(schema)
    assert expected == ours(rows, schema, secret)
    assert before == schema


def one_feature(form: dict[str, Any], **hashing: Any) -> dict[str, Any]:
    base = {"comparison": {"type": "ngram", "n": 2}, "strategy": {"bitsPerFeature": 100}}
    return {
        "version": 3,
        "clkConfig": {"l": 512, "kdf": {"type": "HKDF"}},
        "features": [{"identifier": "name", "format": form, "hashing": base | hashing}],
    }


RULES = [
    {"type": "string", "case": "upper"},
    {"type": "string", "case": "lower", "minLength": 1},
    {"type": "string", "encoding": "ascii"},
    {"type": "string", "minLength": 2, "maxLength": 3},
    {"type": "string", "pattern": "[A-Z]+|[0-9]{2}"},
    {"type": "integer", "minimum": 0, "maximum": 12.0},
    {"type": "date", "format": "%d/%m/%Y"},
    {"type": "date", "format": "%Y%m%d"},
    {"type": "date", "format": "%Q"},
    {"type": "enum", "values": ["M", "F"]},
]
CELLS = st.one_of(
    ANY_TEXT,
    st.sampled_from(["M", "F", "12", "13", "-1", "AB", "ABC", "abc", "ß", "ſ", "ǅ", "İ", "1_2", "", "١٢"]),
    st.from_regex(r"[0-3]?[0-9]/[01]?[0-9]/[0-9]{3,5}", fullmatch=True),
    st.from_regex(r"[012][0-9]{3}[01][0-9][0-3][0-9]", fullmatch=True),
    st.text("0123456789/", min_size=7, max_size=11),
)


@settings(max_examples=300)
@given(
    st.sampled_from(RULES),
    CELLS,
    st.sampled_from([None, {"sentinel": ""}, {"sentinel": "", "replaceWith": "X"}]),
)
def test_a_cell_is_refused_exactly_when_clkhash_refuses_it(
    form: dict[str, Any], cell: str, missing: dict[str, str] | None
) -> None:
    schema = one_feature(form, **({"missingValue": missing} if missing is not None else {}))
    try:
        expected = by_clkhash([[cell]], schema, "secret")
    except ValueError:
        with pytest.raises(FieldRuleError) as refused:
            clkhash.encode([[cell]], schema, "secret")
        assert not cell.strip() or len(cell) < 4 or cell not in str(refused.value)
        return
    assert expected == ours([[cell]], schema, "secret")


@given(st.sampled_from(RULES[:5] + RULES[-1:]), st.text("ABcd12 ", max_size=6))
def test_without_validation_the_bits_are_the_same_too(form: dict[str, Any], cell: str) -> None:
    schema = one_feature(form)
    assert by_clkhash([[cell]], schema, "s", validate=False) == ours([[cell]], schema, "s", validate=False)


def hashing_1(**more: Any) -> dict[str, Any]:
    return {"identifier": "name", "format": {"type": "string"}, "hashing": {"ngram": 2} | more}


@pytest.mark.parametrize("weight", [None, 1, 0.5, 0.25, 1.5, 0.05, 0, 2])
@pytest.mark.parametrize("kind", [{"type": "blakeHash"}, {"type": "doubleHash", "prevent_singularity": True}])
def test_version_1_is_read_as_clkhash_reads_it(weight: float | None, kind: dict[str, Any]) -> None:
    more = {} if weight is None else {"weight": weight}
    schema = {
        "version": 1,
        "clkConfig": {
            "l": 256,
            "k": 10,
            "kdf": {"type": "HKDF"},
            "hash": kind,
            "xor_folds": 1,
            "xorFolds": 2,
        },
        "features": [hashing_1(**more), hashing_1(positional=True), {"identifier": "id", "ignored": True}],
    }
    rows = [["ANNA", "SMITH", "1"], ["", "X", ""]]
    try:
        expected = by_clkhash(rows, schema, "secret")
    except Exception:
        assert weight == 0.05
        with pytest.raises(SchemaError):
            clkhash.load_schema(schema)
        return
    assert expected == ours(rows, schema, "secret")


@pytest.mark.parametrize("strategy", [{"k": 20}, {"numBits": 100}])
@pytest.mark.parametrize("more", [{}, {"positional": True}, {"hash": {"type": "doubleHash"}},
                                  {"missingValue": {"sentinel": "", "replaceWith": "NONE"}}])  # fmt: skip
def test_version_2_is_read_as_clkhash_reads_it(strategy: dict[str, int], more: dict[str, Any]) -> None:
    schema = {
        "version": 2,
        "clkConfig": {"l": 256, "kdf": {"type": "HKDF", "hash": "SHA512"}},
        "features": [hashing_1(strategy=strategy, **more)],
    }
    rows = [["ANNA"], [""], ["Zoë"]]
    assert by_clkhash(rows, schema, "secret") == ours(rows, schema, "secret")


VALID = one_feature(
    {"type": "string", "case": "upper"}, hash={"type": "doubleHash"}, missingValue={"sentinel": ""}
)
PLACES = [
    ("version",), ("clkConfig",), ("clkConfig", "l"), ("clkConfig", "kdf"), ("clkConfig", "kdf", "type"),
    ("clkConfig", "kdf", "hash"), ("clkConfig", "kdf", "keySize"), ("clkConfig", "kdf", "salt"),
    ("clkConfig", "xorFolds"), ("features",), ("features", 0),
    *(("features", 0, *rest) for rest in [
        ("identifier",), ("ignored",), ("format",), ("hashing",), ("format", "type"), ("format", "case"),
        ("format", "encoding"), ("format", "minLength"), ("format", "pattern"), ("format", "extra"),
        ("hashing", "comparison"), ("hashing", "comparison", "type"), ("hashing", "comparison", "n"),
        ("hashing", "comparison", "positional"), ("hashing", "strategy"),
        ("hashing", "strategy", "bitsPerFeature"), ("hashing", "strategy", "bitsPerToken"),
        ("hashing", "hash"), ("hashing", "hash", "type"), ("hashing", "hash", "prevent_singularity"),
        ("hashing", "missingValue"), ("hashing", "missingValue", "sentinel"),
        ("hashing", "missingValue", "replaceWith"), ("hashing", "extra"),
    ]),
]  # fmt: skip
JUNK = st.sampled_from(
    ["ABSENT", None, True, False, 0, -1, 3, 2.5, "", "x", "[", "doubleHash", [], {}, "SHA512"]
)


def with_value(place: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    schema = copy.deepcopy(VALID)
    inner: Any = schema
    for step in place[:-1]:
        inner = inner[step]
    if value == "ABSENT":
        if place[-1] in inner if isinstance(inner, dict) else True:
            del inner[place[-1]]
    else:
        inner[place[-1]] = value
    return schema


@settings(max_examples=300)
@given(st.sampled_from(PLACES), JUNK)
def test_a_damaged_schema_is_refused_when_clkhash_refuses_it(
    place: tuple[str | int, ...], value: Any
) -> None:
    schema = with_value(place, value)
    rows = [["ANNA"]]
    try:
        expected = by_clkhash(rows, schema, "secret")
    except Exception:
        with pytest.raises(PseudolinkError):
            clkhash.encode(rows, schema, "secret")
        return
    if schema["features"] == [] or len(rows[0]) != len(schema["features"]):
        return
    assert expected == ours(rows, schema, "secret")


@given(st.integers(1, 80), st.sampled_from(["SHA256", "SHA512"]), st.integers(1, 64))
def test_keys_are_those_of_clkhash(columns: int, digest: str, size: int) -> None:
    from pseudolink.interop.clk_hash import derive_keys

    listed = [{"identifier": str(i), "ignored": True} for i in range(columns)]
    kdf = {"type": "HKDF", "hash": digest, "keySize": size}
    schema = {"version": 3, "clkConfig": {"l": 8, "kdf": kdf}, "features": listed}
    if 2 * columns * size > 255 * (32 if digest == "SHA256" else 64):
        with pytest.raises(SchemaError):
            clkhash.load_schema(schema)
        return
    expected = generate_key_lists("s", columns, key_size=size, hash_algo=digest)
    assert list(expected) == derive_keys(clkhash.load_schema(schema), "s")


CSV_CELL = st.text(st.sampled_from(list("aB1 \",\n;é'")), max_size=5)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(CSV_CELL, CSV_CELL).map(list), min_size=1, max_size=5),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.booleans(),
)
def test_a_csv_file_gives_the_bits_of_clkhash(
    tmp_path: Path, rows: list[list[str]], end: str, quoted: bool, last: bool
) -> None:
    schema = one_feature({"type": "string"})
    schema["features"].append(schema["features"][0] | {"identifier": "other"})
    if not quoted:
        rows = [["".join(c for c in cell if c not in '",\n') for cell in row] for row in rows]
    lines = [
        ",".join('"' + cell.replace('"', '""') + '"' if quoted else cell for cell in row)
        for row in [["name", "other"], *rows]
    ]
    path = tmp_path / "rows.csv"
    path.write_bytes((end.join(lines) + (end if last else "")).encode())
    with path.open(encoding="utf-8") as stream:
        expected = oracle.generate_clk_from_csv(
            stream, "secret", from_json_dict(copy.deepcopy(schema)), progress_bar=False, max_workers=1
        )
    assert [one.tobytes() for one in expected] == [
        row.tobytes() for row in clkhash.encode(path, schema, "secret")
    ]


def test_many_rows_in_many_chunks_are_those_of_clkhash(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables that grow, start again and change between finding equal cells and not."""
    monkeypatch.setattr("pseudolink.interop.clkhash._CHUNK_ROWS", 64)
    monkeypatch.setattr("pseudolink.interop.clk_tokens._SMALLEST_TABLE", 16)
    monkeypatch.setattr("pseudolink.interop.clk_tokens._MOST_BYTES", 5_000)
    generator = np.random.default_rng(3)
    letters = list("ABCDEFGHIJKLMNOPQRSTUVWXYZéЖ")
    words = ["".join(generator.choice(letters, size=n)) for n in generator.integers(0, 12, 500)]
    words += ["SMITH"] * 200
    rows = [[word, str(number)] for word, number in zip(words, generator.integers(0, 300, 700), strict=True)]
    schema = one_feature({"type": "string"})
    other = one_feature({"type": "integer"}, comparison={"type": "exact"}, strategy={"bitsPerToken": 33})
    schema["features"].append(other["features"][0])
    assert by_clkhash(rows, schema, "secret") == ours(rows, schema, "secret")


def test_the_oracle_is_the_version_that_is_reproduced() -> None:
    from importlib.metadata import version

    assert version("clkhash") == "0.18.3"


def test_the_serialised_form_is_that_of_clkhash(tmp_path: Path) -> None:
    from clkhash.serialization import serialize_bitarray

    from pseudolink.interop.files import write_json

    schema = one_feature({"type": "string"})
    made = oracle.generate_clks([["ANNA"]], from_json_dict(copy.deepcopy(schema)), "secret", max_workers=1)
    write_json(tmp_path / "clks.json", clkhash.encode_chunks([["ANNA"]], schema, "secret"))
    written = json.loads((tmp_path / "clks.json").read_bytes())["clks"]
    assert [serialize_bitarray(one) for one in made] == written
    assert len(base64.b64decode(written[0])) == 64
