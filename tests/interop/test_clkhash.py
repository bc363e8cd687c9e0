"""clk-v1, sections 2 to 7: vectors, rows from everywhere, and refusals that show no cell."""

from __future__ import annotations

import base64
import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pseudolink.errors import (
    EncodingOfTextError,
    FieldRuleError,
    InputError,
    KeyFileError,
    MissingColumnsError,
    PseudolinkError,
    SchemaError,
)
from pseudolink.interop import clkhash
from pseudolink.interop.clkhash import encode, load_schema

FOLDER = Path(__file__).parents[2] / "specs" / "vectors" / "clkhash"
VECTORS = [json.loads(p.read_text(encoding="utf-8")) | {"id": p.stem} for p in sorted(FOLDER.glob("*.json"))]


def cases(case: str) -> list[dict[str, Any]]:
    found = [v for v in VECTORS if v["case"] == case]
    assert found
    return found


def feature(identifier: str = "name", form: dict[str, Any] | None = None, **hashing: Any) -> dict[str, Any]:
    base = {"comparison": {"type": "ngram", "n": 2}, "strategy": {"bitsPerFeature": 60}}
    return {"identifier": identifier, "format": form or {"type": "string"}, "hashing": base | hashing}


def schema(*features: dict[str, Any], **config: Any) -> dict[str, Any]:
    listed = list(features or [feature()])
    return {"version": 3, "clkConfig": {"l": 256, "kdf": {"type": "HKDF"}} | config, "features": listed}


TWO = schema(feature("forename"), {"identifier": "id", "ignored": True}, feature("surname"))
ROWS = [["ANNA", "1", "SMITH"], ["", "2", "O'NEILL-ŚMITH"], ["Zoë", "3", ""]]


@pytest.mark.parametrize("vector", cases("encode"), ids=lambda v: v["id"])
def test_any_two_sites_make_the_same_clks(vector: dict[str, Any]) -> None:
    found = encode(vector["rows"], vector["schema"], vector["secret"])
    assert vector["clks"] == [base64.b64encode(row.tobytes()).decode() for row in found]


@pytest.mark.parametrize("vector", cases("schema"), ids=lambda v: v["id"])
def test_a_bad_schema_is_refused_with_every_place(vector: dict[str, Any]) -> None:
    with pytest.raises(SchemaError) as refused:
        load_schema(vector["schema"])
    assert vector["places"] == [p.place for p in refused.value.problems]


@pytest.mark.parametrize("vector", cases("rows"), ids=lambda v: v["id"])
def test_bad_rows_are_refused_with_every_place(vector: dict[str, Any]) -> None:
    with pytest.raises(FieldRuleError) as refused:
        encode(vector["rows"], vector["schema"], vector["secret"])
    assert vector["places"] == [p.place for p in refused.value.problems]


# ---------------------------------------------------------------- rows from everywhere


def write_csv(path: Path, rows: list[list[str]], header: str | None = "forename,id,surname") -> Path:
    lines = ([header] if header is not None else []) + [",".join(row) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_rows_tables_and_files_give_the_same_clks(tmp_path: Path) -> None:
    expected = encode(ROWS, TWO, "secret")
    table = pa.table(
        dict(zip(["forename", "id", "surname"], map(list, zip(*ROWS, strict=True)), strict=True))
    )
    path = tmp_path / "schema.json"
    path.write_text(json.dumps(TWO))
    assert expected.shape == (3, 32)
    assert expected.dtype == np.uint8
    for rows in (
        iter(ROWS),
        (tuple(row) for row in ROWS),
        table,
        table.to_pandas(),
        pd.DataFrame(table.to_pandas(), dtype=object),
        table.set_column(0, "forename", table.column(0).dictionary_encode()),
        write_csv(tmp_path / "rows.csv", ROWS),
    ):
        assert np.array_equal(expected, encode(rows, path, b"secret"))


def test_null_in_a_table_is_empty_text() -> None:
    table = pa.table({"name": ["ANNA", None]})
    assert np.array_equal(encode([["ANNA"], [""]], schema(), "s"), encode(table, schema(), "s"))


def test_the_header_is_checked_ignored_or_not_there(tmp_path: Path) -> None:
    expected = encode(ROWS, TWO, "secret")
    other = write_csv(tmp_path / "other.csv", ROWS, "a,b,c")
    with pytest.raises(MissingColumnsError, match="forename"):
        encode(other, TWO, "secret")
    assert np.array_equal(expected, encode(other, TWO, "secret", header="ignore"))
    bare = write_csv(tmp_path / "bare.csv", ROWS, None)
    assert np.array_equal(expected, encode(bare, TWO, "secret", header=False))


@pytest.mark.parametrize("extra", ["", '"', "\r"])
def test_the_quick_and_the_careful_reader_agree(tmp_path: Path, extra: str) -> None:
    path = write_csv(tmp_path / "rows.csv", ROWS)
    text = path.read_text(encoding="utf-8")
    if extra == '"':
        text = text.replace("ANNA", '"ANNA"')
    if extra == "\r":
        text = text.replace("\n", "\r\n")
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert np.array_equal(encode(ROWS, TWO, "secret"), encode(path, TWO, "secret"))


def test_a_byte_order_mark_is_no_part_of_the_first_cell(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "rows.csv", ROWS, None)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert np.array_equal(encode(ROWS, TWO, "secret"), encode(path, TWO, "secret", header=False))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("block", [1, 7, 64, 100])
def test_a_reader_that_gives_up_half_way_loses_no_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int, end: str
) -> None:
    """A line longer than the quick reader's block: the careful one goes on where it stopped."""
    from pseudolink.interop import clk_rows

    rows = [[f"NAME{i}", str(i), "SMITH"] for i in range(50)] + [["A" * 400, "1", "B"], ["ANNA", "2", "C"]]
    path = write_csv(tmp_path / "rows.csv", rows)
    path.write_bytes(path.read_bytes().replace(b"\n", end.encode()))
    monkeypatch.setattr(clk_rows, "_BLOCK", block)
    monkeypatch.setattr(clkhash, "_CHUNK_ROWS", 9)
    assert np.array_equal(encode(rows, TWO, "secret"), encode(path, TWO, "secret", header="ignore"))


def test_no_rows_give_no_clks(tmp_path: Path) -> None:
    assert encode([], schema(), "s").shape == (0, 32)
    assert encode(write_csv(tmp_path / "rows.csv", []), TWO, "s").shape == (0, 32)
    assert encode([["A"]], schema(feature(hash={"type": "doubleHash"}), l=37), "s").shape == (1, 5)


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("line", ["ANNA,1", "ANNA,1,SMITH,X", ""])
def test_a_ragged_file_is_refused_with_its_row(tmp_path: Path, line: str, late: bool) -> None:
    many = 300_000 if late else 3  # far enough for the quick reader to have given chunks already
    path = write_csv(tmp_path / "rows.csv", [["ANNA", "1", "SMITH"]] * many + [[line]])
    cells = len(line.split(",")) if line else 0
    with pytest.raises(FieldRuleError) as refused:
        encode(path, TWO, "secret")
    assert [(f"row {many + 1}", f"has {cells} cells, the schema has 3 features")] == list(
        refused.value.problems
    )


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b"forename,id,surname\nZo\xeb,1,SMITH\n")
    with pytest.raises(EncodingOfTextError):
        encode(path, TWO, "secret")
    path.write_bytes(b'forename,id,surname\n"' + b"A" * 200_000 + b'",1,SMITH\n')
    with pytest.raises(InputError, match="line 2"):
        encode(path, TWO, "secret")
    with pytest.raises(InputError):
        encode(tmp_path / "absent.csv", TWO, "secret")


def test_memory_does_not_grow_with_the_rows() -> None:
    """Rows are taken a chunk at a time: what was encoded is not kept."""
    taken = 0

    def rows() -> Iterator[list[str]]:
        nonlocal taken
        for number in range(100_000):
            taken += 1
            yield [str(number)]

    chunks = clkhash.encode_chunks(rows(), schema(), "s")
    assert len(next(chunks)) == taken < 20_000


def test_a_growing_table_of_tokens_starts_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exact values do not repeat: their positions are not kept for ever."""
    from pseudolink.interop import clk_tokens

    monkeypatch.setattr(clkhash, "_CHUNK_ROWS", 100)
    monkeypatch.setattr(clk_tokens, "_MOST_BYTES", 100 * 60 * 4)
    tables = []
    clear = clk_tokens.TokenTable._clear
    monkeypatch.setattr(
        clk_tokens.TokenTable, "_clear", lambda self: (tables.append(repr(self)), clear(self))
    )
    monkeypatch.setattr(clk_tokens.TokenTable, "__repr__", lambda self: str(len(getattr(self, "_texts", []))))
    encode([[str(i)] for i in range(2000)], schema(feature(comparison={"type": "exact"})), "s")
    assert len(tables) > 5
    assert max(map(int, tables)) <= 400


# ---------------------------------------------------------------- refusals


CELL = "PRIVATE-9Z"


@pytest.mark.parametrize(
    ("form", "more"),
    [
        ({"type": "integer"}, {}),
        ({"type": "integer", "maximum": 1}, {}),
        ({"type": "date", "format": "%Y-%m-%d"}, {}),
        ({"type": "date", "format": "%d %b %Y"}, {}),
        ({"type": "enum", "values": ["M"]}, {}),
        ({"type": "string", "pattern": "[a-z]+"}, {}),
        ({"type": "string", "case": "lower"}, {}),
        ({"type": "string", "maxLength": 3}, {}),
        ({"type": "string", "minLength": 30}, {}),
        (None, {"comparison": {"type": "numeric", "thresholdDistance": 1, "resolution": 1}}),
    ],
)
@pytest.mark.parametrize("from_file", [False, True])
def test_no_message_shows_a_cell(
    form: dict[str, Any] | None, more: dict[str, Any], from_file: bool, tmp_path: Path
) -> None:
    listed = schema(feature(form=form, **more), feature("other"))
    rows: Any = [[CELL, CELL]] * 60
    if form == {"type": "integer", "maximum": 1}:
        rows = [["918273", CELL]] * 60
    if from_file:
        rows = write_csv(tmp_path / "rows.csv", rows, "name,other")
    with pytest.raises(FieldRuleError) as refused:
        encode(rows, listed, "secret")
    shown = str(refused.value) + json.dumps(refused.value.diagnostics()) + repr(refused.value.__cause__)
    assert CELL not in shown
    assert "918273" not in shown
    assert len(refused.value.problems) == 51  # fifty, and how many more
    assert refused.value.problems[-1].message == "and 10 more"
    assert refused.value.__context__ is None or CELL not in str(refused.value.__context__)


@pytest.mark.parametrize("cell", [None, 7, 1.5, float("nan"), b"ANNA", ["A"], "\ud800"])
def test_a_cell_that_is_not_text_is_refused(cell: object) -> None:
    with pytest.raises(PseudolinkError) as refused:
        encode([["A"], [cell]], schema(), "s")
    assert [p.place for p in refused.value.problems] == ["row 2, field 'name'"]  # type: ignore[attr-defined]


def test_a_column_of_numbers_is_refused() -> None:
    with pytest.raises(MissingColumnsError, match="is not text"):
        encode(pa.table({"name": [1, 2]}), schema(), "s")


def test_problems_of_all_chunks_come_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clkhash, "_CHUNK_ROWS", 2)
    rows = [["1"], ["x"], ["2"], ["3"], ["y"], [""]]
    given_ = []
    with pytest.raises(FieldRuleError) as refused:
        given_.extend(clkhash.encode_chunks(rows, schema(feature(form={"type": "integer"})), "s"))
    assert [p.place for p in refused.value.problems] == [
        "row 2, field 'name'",
        "row 5, field 'name'",
        "row 6, field 'name'",
    ]
    assert given_ == []


@pytest.mark.parametrize("secret", ["", b"", "\ud800"])
def test_a_secret_is_text_and_not_empty(secret: bytes | str) -> None:
    with pytest.raises(KeyFileError):
        encode([["A"]], schema(), secret)


def test_the_secret_cannot_leak_by_accident() -> None:
    encoder = clkhash.ClkEncoder(schema(), "the very secret")
    assert "secret" not in repr(encoder)
    assert not hasattr(encoder, "__dict__")
    with pytest.raises(TypeError):
        pickle.dumps(encoder)


# ---------------------------------------------------------------- the schema


def test_both_spellings_of_the_folds_are_told_apart() -> None:
    """clkhash documents xorFolds and reads xor_folds."""
    read = load_schema(schema(xorFolds=2))
    assert read.folds == 0
    assert "xorFolds (2) is not read" in read.notes[0]
    said = load_schema(schema(xorFolds=2), documented_folds=True)
    assert said.folds == 2
    assert "clkhash itself does not" in said.notes[0]
    assert np.array_equal(
        encode([["ANNA"]], said, "s"), encode([["ANNA"]], load_schema(schema(xor_folds=2)), "s")
    )
    assert load_schema(schema(xorFolds=1, xor_folds=1)).notes == ()
    with pytest.raises(SchemaError, match="differ"):
        load_schema(schema(xorFolds=2, xor_folds=1), documented_folds=True)


def test_a_misspelt_precision_is_noted() -> None:
    comparison = {"type": "numeric", "thresholdDistance": 5, "resolution": 2, "fractionalPrecision": 2}
    assert "fractional_precision is" in load_schema(schema(feature(comparison=comparison))).notes[0]


@pytest.mark.parametrize("text", [b"{", b"\xff", b"[" * 100_000])
def test_a_schema_that_is_not_json_is_refused(text: bytes, tmp_path: Path) -> None:
    path = tmp_path / "schema.json"
    path.write_bytes(text)
    with pytest.raises(InputError, match="not JSON"):
        load_schema(path)
    with pytest.raises(InputError):
        load_schema(tmp_path / "absent.json")


KEYS = """
version clkConfig features l k kdf type hash hashing format identifier ignored comparison
strategy ngram weight numBits bitsPerToken missingValue sentinel xor_folds
"""
JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-3, 70), st.floats(), st.sampled_from(["", "ngram", "HKDF"])
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(KEYS.split()),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=12,
)


@given(st.sampled_from([1, 2, 3]), JSON, JSON, JSON)
def test_any_json_is_a_schema_or_is_refused(version: int, config: Any, one: Any, hashing: Any) -> None:
    made = {"identifier": "x", "format": {"type": "string"}, "hashing": hashing}
    raw = {"version": version, "clkConfig": config, "features": [one, made]}
    with pytest.raises(SchemaError):
        load_schema(raw)
    raw["clkConfig"] = {"l": 64, "k": 5, "kdf": {"type": "HKDF"}, "hash": {"type": "blakeHash"}}
    try:
        read = load_schema(raw)
    except SchemaError:
        return  # any other exception would be a fault
    assert len(read.identifiers) == 2


def test_a_feature_of_characters_beyond_the_first_plane_takes_the_same_road() -> None:
    """Non-ASCII text is cut by code point, not by byte or by surrogate."""
    from pseudolink.interop.clk_schema import Comparison
    from pseudolink.interop.clk_tokens import tokens

    assert tokens(Comparison("ngram", n=2), "𝒜é") == [" 𝒜", "𝒜é", "é "]
    slow = schema(feature(comparison={"type": "ngram", "n": 2, "positional": False}))
    mixed = [["𝒜é李"], ["ANNA"], ["𝒜é李"], [""]]
    together = encode(mixed, slow, "s")
    apart = np.concatenate([encode([row], slow, "s") for row in mixed])
    assert np.array_equal(together, apart)
