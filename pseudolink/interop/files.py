"""
Files of CLKs: the JSON of anonlink-client, the binary forms of the entity service.

Source: specs/clk-v1.md, section 8.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt

from pseudolink.errors import ArtefactError, EmptyInputError, InputError, Problem, UsageError
from pseudolink.files import new_file
from pseudolink.formats.binary import decode64, encode64

Filters = npt.NDArray[np.uint8]
Index = npt.NDArray[np.int64]
Block = str | int

MOST_PROBLEMS: Final = 50
_READ_ROWS: Final = 1 << 14

#: The binary forms. bare: CLKs alone, what the service's ``binaryclks`` takes. indexed: each after
#: its number. counted: as indexed, then the number of bits set; what older services take.
BINARY_FORMS: Final = ("bare", "indexed", "counted")


@dataclass(frozen=True)
class ClkFile:
    """
    The CLKs of a JSON file.

    clks: (n, b) uint8.
    blocks: for each CLK the blocks that it is in, or None when the file has none.
    """

    clks: Filters
    blocks: tuple[tuple[Block, ...], ...] | None = None


# ---------------------------------------------------------------- JSON


def write_json(
    path: Path, clks: Iterable[Filters], *, blocks: Sequence[Sequence[Block]] | None = None
) -> int:
    """
    Write ``{"clks": […]}``, or ``{"clknblocks": [[CLK, block, …], …]}`` when blocks are given.

    Args:
        clks: chunks of (n, b) uint8, in order.
        blocks: the blocks of each CLK.

    Returns:
        the number of CLKs.

    Raises:
        UsageError: as many lists of blocks as CLKs are needed.
        OutputExistsError, OutputError: see :func:`pseudolink.files.new_file`.

    Source: specs/clk-v1.md, section 8.1.
    """
    with new_file(path) as temporary, temporary.open("w", encoding="ascii", newline="\n") as stream:
        count = 0
        stream.write('{"clks": [' if blocks is None else '{"clknblocks": [')
        for chunk in clks:
            for row in np.ascontiguousarray(chunk):
                text = encode64(row.tobytes())
                stream.write(", " if count else "")
                if blocks is None:
                    stream.write(f'"{text}"')
                else:
                    if count == len(blocks):
                        raise UsageError("there are more CLKs than lists of blocks")
                    stream.write(json.dumps([text, *blocks[count]]))
                count += 1
        if blocks is not None and count != len(blocks):
            raise UsageError("there are fewer CLKs than lists of blocks")
        stream.write("]}\n")
    return count


def read_json(path: Path) -> ClkFile:
    """
    Read CLKs, with or without blocks.

    Raises:
        InputError: unreadable, not JSON, or neither ``clks`` nor ``clknblocks`` in it.
        EmptyInputError: no CLK.
        ArtefactError: CLKs that are not base64, or not all of one length; blocks that are
            neither text nor whole numbers. The first fifty are listed.

    Source: specs/clk-v1.md, section 8.1.
    """
    try:
        raw = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path.name}: {error.strerror or type(error).__name__}") from None
    except (ValueError, RecursionError):
        raise InputError(f"{path.name}: not JSON") from None
    keys = [key for key in ("clks", "clknblocks") if isinstance(raw, dict) and key in raw]
    if len(keys) != 1 or not isinstance(raw[keys[0]], list):
        raise InputError(f'{path.name}: needs one list, "clks" or "clknblocks"')
    listed: list[Any] = raw[keys[0]]
    if not listed:
        raise EmptyInputError(f"{path.name} has no CLKs")
    problems: list[Problem] = []
    blocks = None
    if keys[0] == "clknblocks":
        blocks = tuple(_blocks(one, f"clknblocks[{i}]", problems) for i, one in enumerate(listed))
        listed = [one[0] if isinstance(one, list) and one else None for one in listed]
    clks = _decode(listed, keys[0], problems)
    if problems:
        more = len(problems) - MOST_PROBLEMS
        shown = problems[:MOST_PROBLEMS] + ([Problem("", f"and {more} more")] if more > 0 else [])
        raise ArtefactError(shown, source=path.name)
    return ClkFile(clks, blocks)


def _blocks(one: object, place: str, problems: list[Problem]) -> tuple[Block, ...]:
    if not isinstance(one, list) or not one:
        problems.append(Problem(place, "is not a list of a CLK and its blocks"))
        return ()
    for position, block in enumerate(one[1:], 1):
        if isinstance(block, bool) or not isinstance(block, (str, int)):
            problems.append(Problem(f"{place}[{position}]", "is neither text nor a whole number"))
    return tuple(one[1:])


def _decode(listed: Sequence[object], key: str, problems: list[Problem]) -> Filters:
    out: Filters | None = None
    for position, text in enumerate(listed):
        try:
            data = decode64(text)
        except ValueError as error:
            problems.append(Problem(f"{key}[{position}]", str(error)))
            continue
        if out is None:
            if not data:
                problems.append(Problem(f"{key}[{position}]", "is empty"))
                continue
            out = np.zeros((len(listed), len(data)), dtype=np.uint8)
        if len(data) != out.shape[1]:
            problems.append(
                Problem(f"{key}[{position}]", f"holds {len(data)} bytes, the first {out.shape[1]}")
            )
            continue
        out[position] = np.frombuffer(data, dtype=np.uint8)
    return np.zeros((0, 0), dtype=np.uint8) if out is None else out


# ---------------------------------------------------------------- binary


def _layout(form: str, size: int) -> np.dtype[np.void]:
    if form not in BINARY_FORMS:
        raise UsageError(f"a binary form is one of {', '.join(BINARY_FORMS)}")
    if size < 1:
        raise UsageError("a CLK has at least one byte")
    # Big-endian by name: "network byte order" in the service's documentation.
    index = [("index", ">u4")] if form != "bare" else []
    count = [("count", ">u2")] if form == "counted" else []
    return np.dtype([*index, ("clk", np.uint8, (size,)), *count])


def write_binary(path: Path, clks: Iterable[Filters], *, form: str = "bare") -> int:
    """
    Write CLKs one after the other; indices are numbers from 0.

    Args:
        clks: chunks of (n, b) uint8, in order.
        form: one of :data:`BINARY_FORMS`.

    Returns:
        the number of CLKs (``Hash-Count`` of an upload; ``Hash-Size`` is b).

    Raises:
        UsageError: no such form; in counted form, a CLK of more than 65,535 bits.
        OutputExistsError, OutputError: see :func:`pseudolink.files.new_file`.

    Source: specs/clk-v1.md, section 8.2.
    """
    _layout(form, 1)
    with new_file(path) as temporary, temporary.open("wb") as stream:
        count = 0
        for chunk in clks:
            if form == "counted" and 8 * chunk.shape[1] > np.iinfo(np.uint16).max:
                raise UsageError("the counted form has room for counts up to 65,535")
            rows = np.zeros(len(chunk), dtype=_layout(form, chunk.shape[1]))
            rows["clk"] = chunk
            if form != "bare":
                if count + len(chunk) > 1 << 32:
                    raise UsageError("an index has four bytes: no more than 4,294,967,296 CLKs")
                rows["index"] = np.arange(count, count + len(chunk))
            if form == "counted":
                rows["count"] = np.bitwise_count(chunk).sum(axis=1)
            stream.write(rows.tobytes())
            count += len(chunk)
    return count


def read_binary(path: Path, *, size: int, form: str = "bare") -> tuple[Filters, Index]:
    """
    Read CLKs.

    Args:
        size: bytes of one CLK; the file does not say.
        form: one of :data:`BINARY_FORMS`.

    Returns:
        ((n, size) uint8, (n,) int64 indices; from 0 in order when the form has none).

    Raises:
        UsageError: no such form or size.
        InputError: unreadable.
        EmptyInputError: no CLK.
        ArtefactError: the file is not a whole number of CLKs, an index stands twice, a count is
            not that of its CLK.

    Source: specs/clk-v1.md, section 8.2.
    """
    layout = _layout(form, size)
    try:
        with path.open("rb") as stream:
            parts = list(_parts(stream, layout.itemsize))
    except OSError as error:
        raise InputError(f"{path.name}: {error.strerror or type(error).__name__}") from None
    if not parts:
        raise EmptyInputError(f"{path.name} has no CLKs")
    if len(parts[-1]) % layout.itemsize:
        raise ArtefactError(
            [Problem("", f"is not a whole number of CLKs of {size} bytes, {form}")], source=path.name
        )
    rows = np.concatenate([np.frombuffer(part, dtype=layout) for part in parts])
    clks: Filters = np.ascontiguousarray(rows["clk"])
    if form == "bare":
        return clks, np.arange(len(rows))
    problems = []
    index = rows["index"].astype(np.int64)
    if len(np.unique(index)) != len(index):
        problems.append(Problem("", "an index stands more than once"))
    if form == "counted":
        wrong = np.flatnonzero(np.bitwise_count(clks).sum(axis=1) != rows["count"])
        problems += [
            Problem(f"CLK {at}", "the count is not its number of bits")
            for at in wrong[:MOST_PROBLEMS].tolist()
        ]
    if problems:
        raise ArtefactError(problems, source=path.name)
    return clks, index


def _parts(stream: BinaryIO, each: int) -> Iterator[bytes]:
    while part := stream.read(_READ_ROWS * each):
        yield part
