"""
Typed reading of parsed JSON: every problem is kept with its place, none ends the reading.

Source: specs/clk-v1.md, section 2.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping, Sequence
from typing import Any

from pseudolink.errors import Problem, SchemaError

Table = Mapping[str, Any]


class Reader:
    """
    Reads values of a schema.

    A getter that finds a problem notes it and gives a value of the right type, so that reading
    goes on; :meth:`refuse` raises when there was one.
    """

    def __init__(self, source: str | None = None) -> None:
        self.source = source
        self.problems: list[Problem] = []
        self.notes: list[str] = []

    def problem(self, place: str, message: str) -> None:
        """Note a problem."""
        self.problems.append(Problem(place, message))

    def refuse(self) -> None:
        """
        Raise when a problem was noted.

        Raises:
            SchemaError: with every problem.
        """
        if self.problems:
            raise SchemaError(self.problems, source=self.source)

    def _lacks(self, table: Table, key: str, place: str) -> bool:
        if key in table:
            return False
        # An absent table was reported already; its keys need no line each.
        if table:
            self.problem(_at(place, key), "is missing")
        return True

    def table(self, table: Table, key: str, place: str) -> Table:
        """An object that must be there."""
        value = table.get(key)
        if isinstance(value, Mapping) and value:
            return value
        if table or not place:
            wrong = "is missing" if key not in table else "is empty" if value == {} else "must be an object"
            self.problem(_at(place, key), wrong)
        return {}

    def only(self, table: Table, keys: Sequence[str], place: str) -> None:
        """No other keys: a misspelt one would otherwise be passed over in silence."""
        for key in table:
            if key not in keys:
                self.problem(place, f"has a key that is not known: {key!r}")

    def integer(
        self,
        table: Table,
        key: str,
        place: str,
        *,
        least: int,
        most: int | None = None,
        default: int | None = None,
        integral: bool = False,
    ) -> int:
        """A whole number; ``integral`` also takes 20.0, where clkhash does."""
        if default is not None and key not in table:
            return default
        if self._lacks(table, key, place):
            return least
        value = table[key]
        if integral and isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            self.problem(_at(place, key), "must be a whole number")
        elif value < least:
            self.problem(_at(place, key), f"must be {least} or more")
        elif most is not None and value > most:
            self.problem(_at(place, key), f"must be {most:,} or less")
        else:
            return value
        return least

    def number(self, table: Table, key: str, place: str) -> int | float | None:
        """A finite number, or None after a problem."""
        if self._lacks(table, key, place):
            return None
        value = table[key]
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            self.problem(_at(place, key), "must be a number")
            return None
        return value

    def bound(self, table: Table, key: str, place: str, *, least: int | None = None) -> float | None:
        """An optional whole number, as it stands: 3.0 bounds what 3 bounds."""
        if key not in table:
            return None
        value = table[key]
        whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        if isinstance(value, bool) or not whole:
            self.problem(_at(place, key), "must be a whole number")
            return None
        if least is not None and value < least:
            self.problem(_at(place, key), f"must be {least} or more")
        return value  # type: ignore[no-any-return]

    def choice(
        self, table: Table, key: str, place: str, among: Sequence[str], *, default: str | None = None
    ) -> str:
        """One of the words of ``among``."""
        if default is not None and key not in table:
            return default
        if not self._lacks(table, key, place):
            value = table[key]
            if isinstance(value, str) and value in among:
                return value
            self.problem(_at(place, key), f"must be one of {', '.join(among)}")
        return among[0]

    def flag(self, table: Table, key: str, place: str) -> bool:
        """A boolean, false when absent."""
        value = table.get(key, False)
        if not isinstance(value, bool):
            self.problem(_at(place, key), "must be true or false")
            return False
        return value

    def text(self, table: Table, key: str, place: str) -> str:
        """A string that must be there."""
        if self._lacks(table, key, place):
            return ""
        return self._string(table[key], _at(place, key))

    def texts(self, table: Table, key: str, place: str) -> frozenset[str]:
        """A list of strings."""
        if self._lacks(table, key, place):
            return frozenset()
        value = table[key]
        if not isinstance(value, Sequence) or isinstance(value, str):
            self.problem(_at(place, key), "must be a list of strings")
            return frozenset()
        return frozenset(self._string(one, f"{_at(place, key)}[{i}]") for i, one in enumerate(value))

    def _string(self, value: object, place: str) -> str:
        if not isinstance(value, str):
            self.problem(place, "must be a string")
            return ""
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:  # half of a surrogate pair, written as an escape
            self.problem(place, "is not Unicode text")
            return ""
        return value

    def base64(self, table: Table, key: str, place: str) -> bytes | None:
        """
        Optional base64.

        Characters outside the alphabet are passed over, as clkhash does: with another reading
        the keys would be others.
        """
        if key not in table:
            return None
        text = self.text(table, key, place)
        try:
            return base64.b64decode(text)
        except (binascii.Error, ValueError):
            self.problem(_at(place, key), "is not base64")
            return None


def _at(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key
