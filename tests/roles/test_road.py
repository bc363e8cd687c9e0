"""One road from an extract to encodings: the same for every source, order, chunk and number of threads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pseudolink.clean.reader import open_extract
from pseudolink.encode import counts
from pseudolink.encode.extract import Encoded
from pseudolink.engines.spill import Spill
from pseudolink.errors import EmptyInputError, FieldRuleError, FloorError, InputError
from pseudolink.formats import encodings as encoding_files
from pseudolink.keys.linkage import LinkageKey
from pseudolink.roles.encoding import Encoder, Options, encode_table
from pseudolink.roles.payload import Payload, Piece
from pseudolink.roles.streams import Kept
from pseudolink.schema import parse_schema

KEY = LinkageKey(bytes(range(32)))
SCHEMA = parse_schema(
    {
        "format": "pseudolink/linkage-schema/1",
        "name": "road",
        "fields": {
            "forename": {"kind": "forename", "columns": ["forename"], "also": ["known_as"]},
            "surname": {"kind": "surname", "columns": ["surname"]},
            "dob": {"kind": "date", "columns": ["dob"]},
            "postcode": {"kind": "postcode", "columns": ["postcode"]},
            "nino": {"kind": "nino", "columns": ["nino"]},
        },
        "passes": [
            {"name": "a", "on": ["surname", "dob"], "compare": ["forename", "postcode"]},
            {"name": "b", "on": ["names.sorted_soundex", "dob.year", "postcode"]},
            {"name": "c", "on": ["nino.stem"], "compare": ["dob"]},
        ],
        "floor": {"company": 0.05, "component": 8},
    }
)
FORENAMES = ["Ann", "Zoë", "Siân", "Ọláyínká", "MARY-ANN", "李", "Unknown", "", "Jo 2", "van den", "O'Neil"]
SURNAMES = [
    "Smith",
    "Smith-Jones",
    "O'Brien",
    "Ó Súilleabháin",
    "MacDonald",
    "Null",
    "N/K",
    "Adébáyọ̀",
    "Ørsted",
]


def people(count: int = 400, seed: int = 7) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    letters = np.asarray(list("ABCDEFGHIJKLMNOPQRST"))

    def made(pool: list[str]) -> list[str]:
        word = ["".join(rng.choice(letters, 6)) for _ in range(count)]
        return [w if rng.random() < 0.7 else str(rng.choice(pool)) for w in word]

    days = pd.to_datetime(rng.integers(0, 20_000, count), unit="D", origin="1950-01-01")
    frame = pd.DataFrame(
        {
            "forename": made(FORENAMES),
            "known_as": [str(rng.choice(FORENAMES)) if rng.random() < 0.1 else "" for _ in range(count)],
            "surname": made(SURNAMES),
            "dob": [d.strftime("%d/%m/%Y" if n % 3 else "%Y-%m-%d") for n, d in enumerate(days)],
            "postcode": [f"ts{1 + n % 29}{n % 10}a{letters[n % 8]}" for n in range(count)],
            "nino": [f"AB{n:06}{'ABCD'[n % 4]}" for n in range(count)],
            "score": [str(n) for n in range(count)],
        }
    )
    frame.loc[::17, "dob"] = "1990-02-30"
    frame.loc[::13, "nino"] = ""
    return frame


def encoded(source: Any, **options: Any) -> Encoded:
    return encode_table(source, SCHEMA, KEY.derive, "test", options=Options(**options))[0]


def bare(found: Encoded, rows: list[int] | None = None) -> list[tuple[Any, ...]]:
    """What is encoded of every row of the extract, without record IDs and order."""
    out = []
    for n, source in enumerate(found.source.tolist()):
        row: list[Any] = [source if rows is None else rows[source]]
        for columns in found.encodings.passes.values():
            row.append(columns.tokens[n].tobytes() if columns.present[n] else None)
            row.append(None if columns.filters is None else columns.filters[n].tobytes())
        out.append(tuple(row))
    return sorted(out, key=repr)


@pytest.fixture(scope="module")
def expected() -> Encoded:
    return encoded(people(), workers=1, chunk_rows=10_000)


@pytest.mark.parametrize(
    ("chunk_rows", "workers"), [(1, 2), (7, 1), (64, 3), (399, 2), (400, 1), (10_000, 8)]
)
def test_chunks_and_threads_change_no_byte(expected: Encoded, chunk_rows: int, workers: int) -> None:
    found = encoded(people(), chunk_rows=chunk_rows, workers=workers)
    assert bare(found) == bare(expected)
    assert found.company == expected.company
    assert found.chance == expected.chance


@pytest.mark.parametrize("pending", [0, 50, 700])
def test_counts_of_chunks_are_those_of_the_whole_however_they_are_merged(
    expected: Encoded, monkeypatch: pytest.MonkeyPatch, pending: int
) -> None:
    """Twice over each: an agreement by chance that is one pair off would go unseen."""
    monkeypatch.setattr(counts, "PENDING", max(pending, 1))
    assert encoded(people(), chunk_rows=7).chance == expected.chance
    twice = pd.concat([people(), people()])
    whole = encoded(twice, chunk_rows=10_000, enforce_floor=False)
    assert encoded(twice, chunk_rows=13, enforce_floor=False).chance == whole.chance
    assert any(count for count in whole.chance.fields["nino"].states)


def test_the_order_of_the_extract_changes_no_byte(expected: Encoded) -> None:
    order = np.random.default_rng(3).permutation(400)
    found = encoded(people().iloc[order], chunk_rows=50)
    assert bare(found, order.tolist()) == bare(expected)
    assert (found.company, found.chance) == (expected.company, expected.chance)


class Stream:
    """Gives its rows once."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self._reader = pa.Table.from_pandas(frame).to_reader(max_chunksize=90)

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._reader.__arrow_c_stream__(requested_schema)


@pytest.mark.parametrize("kind", ["csv", "odd csv", "latin csv", "parquet", "arrow", "stream"])
def test_every_source_is_encoded_alike(expected: Encoded, tmp_path: Path, kind: str) -> None:
    """Plain CSV takes a compiled road, odd CSV another one; neither can be told from the result."""
    frame = people()
    source: Any = tmp_path / "extract"
    if kind == "csv":
        source.write_bytes(b"\xef\xbb\xbf" + frame.to_csv(index=False, lineterminator="\r\n").encode())
    elif kind == "odd csv":  # line ends of old Macintoshes
        source.write_bytes(frame.to_csv(index=False, lineterminator="\r").encode())
    elif kind == "latin csv":
        source.write_bytes(frame.to_csv(index=False).encode("utf-16"))
    elif kind == "parquet":
        frame.to_parquet(source, row_group_size=37)
    elif kind == "arrow":
        source = pa.Table.from_pandas(frame)
    else:
        source = Stream(frame)
    opened = open_extract(source, encoding="utf-16" if kind == "latin csv" else "utf-8")
    assert bare(encoded(opened, chunk_rows=61)) == bare(expected)


@pytest.mark.parametrize(("chunk_rows", "workers"), [(61, 2), (10_000, 1)])
def test_common_values_are_found_alike_in_every_source(tmp_path: Path, chunk_rows: int, workers: int) -> None:
    """They are known when all rows have been seen, and a stream gives its rows once."""
    frame = people()
    frame.loc[::5, "dob"] = "1999-01-01"
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_parquet(tmp_path / "a.parquet")
    options = Options(chunk_rows=chunk_rows, workers=workers)
    sources = [frame, tmp_path / "a.csv", tmp_path / "a.parquet", Stream(frame)]
    found = [encode_table(one, SCHEMA, KEY.derive, "test", options=options) for one in sources]
    for one, fared in found:
        assert bare(one) == bare(found[0][0])
        assert (one.company, one.chance) == (found[0][0].company, found[0][0].chance)
        assert fared.counts["dob"].common == {"values": 1, "records": 80}
        assert fared.counts == found[0][1].counts
    frame.loc[::5, "dob"] = ""
    assert bare(encoded(frame)) == bare(found[0][0])


@pytest.mark.parametrize("on_disk", [True, False])
def test_a_stream_is_kept_where_nobody_else_can_read_it(tmp_path: Path, on_disk: bool) -> None:
    kept = Kept(open_extract(Stream(people())), spill=Spill(tmp_path) if on_disk else None)
    first = pa.concat_tables(kept.chunks(50))
    again = list(kept.chunks(30))
    assert max(table.num_rows for table in again) == 30
    assert pa.concat_tables(again).equals(first)
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert bool(written) == on_disk
    assert b"AB000" not in written


def test_a_stream_that_broke_off_is_not_taken_for_the_whole() -> None:
    kept = Kept(open_extract(Stream(people())))
    next(kept.chunks(50))
    with pytest.raises(InputError, match="cannot be read again"):
        next(kept.chunks(50))


@pytest.mark.parametrize("memory", [0, 20_000, 1 << 30])
def test_a_file_holds_what_memory_would(expected: Encoded, tmp_path: Path, memory: int) -> None:
    """Whether rows waited in memory or, encrypted, on disk."""
    options = Options(chunk_rows=33, memory=memory)
    encoder = Encoder(
        open_extract(people()), SCHEMA, KEY.derive, "test", options=options, spill=lambda: Spill(tmp_path)
    )
    encoder.gather()
    path = tmp_path / "encodings.parquet"
    written, fared = encoder.write(path)
    assert [p.name for p in tmp_path.iterdir()] == ["encodings.parquet"]
    loaded = encoding_files.load(path, SCHEMA.layout)
    np.testing.assert_array_equal(loaded.records, written.records)
    assert bare(Encoded(loaded, written.source, written.company, written.chance)) == bare(expected)
    assert (written.company, written.chance) == (expected.company, expected.chance)
    assert fared.usable["nino"] == sum(people()["nino"] != "")
    assert fared.counts["dob"].rules == {"date.impossible": 24}


def test_versions_of_a_record_share_an_id_in_every_chunk() -> None:
    found = encoded(people(), chunk_rows=3)
    ids: dict[int, set[bytes]] = {}
    for source, record in zip(found.source.tolist(), found.encodings.records, strict=True):
        ids.setdefault(source, set()).add(bytes(record))
    assert set(map(len, ids.values())) == {1}
    assert len({next(iter(one)) for one in ids.values()}) == 400 < found.encodings.rows


# ---------------------------------------------------------------- refusals, whatever the chunks


def test_strict_lists_the_first_rows_of_the_file_whatever_the_chunks() -> None:
    found = []
    for chunk_rows in (1, 10, 1000):
        with pytest.raises(FieldRuleError) as caught:
            encoded(people(), chunk_rows=chunk_rows, strict=True, workers=3)
        found.append([problem.place for problem in caught.value.problems])
    assert found[0] == found[1] == found[2]
    assert len(found[0]) == 51, "fifty and how many more"
    rows = [int(place.split(",")[0].removeprefix("row ")) for place in found[0][:50]]
    assert rows == sorted(rows)
    assert {row for row in range(1, rows[-1]) if row % 17 == 1} <= set(rows)


@pytest.mark.parametrize("chunk_rows", [1, 17, 1000])
def test_the_floor_holds_over_chunks_and_its_advice_too(chunk_rows: int) -> None:
    """Company is counted over the whole extract, not within a chunk."""
    frame = people(200)
    frame.loc[100:149, ["forename", "surname", "dob", "postcode"]] = frame.loc[
        50:99, ["forename", "surname", "dob", "postcode"]
    ].to_numpy()
    messages = set()
    for source in (frame, pa.Table.from_pandas(frame)):
        with pytest.raises(FloorError) as caught:
            encoded(source, chunk_rows=chunk_rows)
        messages.add(str(caught.value))
    assert len(messages) == 1
    assert "with 'nino.stem' as well, 0 would" in messages.pop()


def test_a_stream_above_the_floor_gets_the_advice_that_a_table_gets() -> None:
    frame = pd.concat([people(100)] * 2)
    messages = set()
    for source in (frame, Stream(frame)):
        with pytest.raises(FloorError) as caught:
            encoded(source, chunk_rows=10)
        messages.add(str(caught.value))
    assert len(messages) == 1


def test_an_extract_without_rows_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("forename,surname,dob,postcode,nino\n")
    for source in (tmp_path / "a.csv", people().head(0)):
        with pytest.raises(EmptyInputError):
            encoded(source)


def test_a_late_ragged_row_is_found_before_anything_is_encoded(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(people().to_csv(index=False) + "one,cell\n")
    encoder = Encoder(open_extract(path), SCHEMA, KEY.derive, "test", options=Options(chunk_rows=10))
    with pytest.raises(InputError, match="line 402"):
        encoder.gather()


def test_a_file_that_grows_ragged_while_it_is_read_is_refused(tmp_path: Path) -> None:
    """Rows were counted in the first look; what comes after is not believed."""
    path = tmp_path / "a.csv"
    path.write_text(people().to_csv(index=False))
    opened = open_extract(path)
    path.write_text(people().to_csv(index=False) + "one,cell\n")
    with pytest.raises(InputError, match="changed while it was read"):
        list(opened.chunks(50))


# ---------------------------------------------------------------- the payload


@pytest.mark.parametrize("memory", [0, 500, 1 << 30])
def test_a_payload_is_the_same_on_disk_and_in_memory(tmp_path: Path, memory: int) -> None:
    """And nothing of it is ever readable there."""
    table = pa.table({"x": [f"Featherstonehaugh {n}" for n in range(500)]})
    ids = np.arange(500 * 16, dtype=np.uint32).astype(np.uint8).reshape(500, 16)
    ids[:, 0], ids[:, 1] = np.arange(500) % 256, np.arange(500) // 256
    payload = Payload({"x": "x"}, lambda: Spill(tmp_path), memory=memory)
    for at in range(0, 500, 70):
        rows = np.arange(at, min(at + 70, 500))
        payload.add(Piece(table.slice(at, 70), rows), ids[rows])
    for path in tmp_path.iterdir():
        assert b"Feather" not in path.read_bytes()
    found = pa.concat_tables(payload.tables(64))
    assert list(tmp_path.iterdir()) == []
    by_record = dict(zip(found.column("record").to_pylist(), found.column("x").to_pylist(), strict=True))
    assert by_record == {bytes(ids[n]): f"Featherstonehaugh {n}" for n in range(500)}
    assert found.column("x").to_pylist() != table.column("x").to_pylist()


# ---------------------------------------------------------------- memory

CHILD = """
import resource, sys
from pathlib import Path
import numpy as np, pyarrow as pa
from pseudolink.clean.reader import open_extract
from pseudolink.engines.spill import Spill
from pseudolink.keys.linkage import LinkageKey
from pseudolink.roles.encoding import Encoder, Options
from pseudolink.schema import parse_schema
import json
count, folder = int(sys.argv[1]), Path(sys.argv[2])
schema = parse_schema(json.loads(sys.argv[3]))
def batches():
    for at in range(0, count, 10_000):
        n = np.arange(at, min(at + 10_000, count))
        street = [f"{i} A LONG STREET NAME THAT FILLS MEMORY, {i % 97} TOWN OF SOME SIZE" * 5 for i in n]
        yield pa.record_batch({"street": street, "nino": [f"AB{i:06}A" for i in n]})
schema_of = next(batches()).schema
reader = pa.RecordBatchReader.from_batches(schema_of, batches())
options = Options(workers=2, chunk_rows=5_000, memory=1 << 20)
encoder = Encoder(open_extract(reader), schema, LinkageKey(bytes(32)).derive, "t", options=options,
                  spill=lambda: Spill(folder))
encoder.gather()
encoder.write(folder / f"{count}.parquet")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the unit of ru_maxrss differs")
def test_the_text_of_an_extract_is_not_held_whole(tmp_path: Path) -> None:
    """Ten times the rows, with 300 bytes of text each, take far less than their text in addition."""
    import json

    schema = {
        "format": "pseudolink/linkage-schema/1",
        "name": "memory",
        "fields": {
            "street": {"kind": "text", "columns": ["street"]},
            "nino": {"kind": "nino", "columns": ["nino"]},
        },
        "passes": [{"name": "a", "on": ["street"]}, {"name": "b", "on": ["nino.stem"]}],
        "floor": {"company": 0.05, "component": 8},
    }
    peaks = []
    for count in (20_000, 200_000):
        command = [sys.executable, "-c", CHILD, str(count), str(tmp_path), json.dumps(schema)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout))
    assert peaks[1] - peaks[0] < 60, "MiB; the text is 60, and Python's strings of it far more"
