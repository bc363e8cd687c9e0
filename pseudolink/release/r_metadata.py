"""
Labels of columns as R's arrow package reads them: attributes under the key ``r`` of a schema.

The package keeps attributes of a data frame as ``list(attributes, columns)`` in the text form of R's
``serialize``, version 2; here every column has the one attribute ``label`` (or none), which labelled,
haven and gtsummary show. Whoever does not know the key does not see it.

Source: specs/release-v1.md, 4.5; R Internals, section 1.8 (serialization formats).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

_HEADER: Final = ("A", "2", "262658", "131840")  # text; version; written by 4.2.2; readable from 2.3.0 on
_NULL: Final = "254"
_NAMED_LIST, _STRINGS = "531", "16"
_PAIR, _SYMBOL, _FIRST_SYMBOL_AGAIN = "1026", "1", "511"
_ASCII, _UTF8 = "262153", "32777"
_ESCAPES: Final = {
    0x07: "\\a", 0x08: "\\b", 0x09: "\\t", 0x0A: "\\n", 0x0B: "\\v", 0x0C: "\\f", 0x0D: "\\r",
    0x5C: "\\\\", 0x3F: "\\?", 0x27: "\\'", 0x22: '\\"',
}  # fmt: skip


def labels(of_column: Mapping[str, str | None]) -> bytes:
    """
    ``list(attributes = NULL, columns = list(NAME = list(attributes = list(label = ...), columns = NULL)))``.

    Args:
        of_column: every column of the table, in order, and its label.
    """
    out = _Writer()
    parts = [_LabelOf(label) if label is not None else None for label in of_column.values()]
    out.named(["attributes", "columns"], [None, (list(of_column), parts)])
    return ("\n".join((*_HEADER, *out.lines)) + "\n").encode("ascii")


class _LabelOf:
    def __init__(self, text: str) -> None:
        self.text = text


class _Writer:
    """Lines of the format; ``names`` is written in full once and by number from then on."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._named = False

    def named(self, names: Sequence[str], values: Sequence[object]) -> None:
        self.lines += [_NAMED_LIST, str(len(values))]
        for value in values:
            self._value(value)
        self.lines.append(_PAIR)
        if self._named:
            self.lines.append(_FIRST_SYMBOL_AGAIN)
        else:
            self.lines.append(_SYMBOL)
            self._string("names")
            self._named = True
        self.lines += [_STRINGS, str(len(names))]
        for name in names:
            self._string(name)
        self.lines.append(_NULL)

    def _value(self, value: object) -> None:
        if value is None:
            self.lines.append(_NULL)
        elif isinstance(value, _LabelOf):
            self.named(["attributes", "columns"], [(["label"], [value.text]), None])
        elif isinstance(value, str):
            self.lines += [_STRINGS, "1"]
            self._string(value)
        elif isinstance(value, tuple):
            self.named(*value)
        else:
            raise TypeError(type(value).__name__)

    def _string(self, text: str) -> None:
        raw = text.encode("utf-8")
        self.lines += [_ASCII if text.isascii() else _UTF8, str(len(raw)), "".join(map(_escaped, raw))]


def _escaped(byte: int) -> str:
    if byte in _ESCAPES:
        return _ESCAPES[byte]
    return chr(byte) if 0x20 < byte < 0x7F else f"\\{byte:03o}"
