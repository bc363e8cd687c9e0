"""
Compiled loops: numba's ``njit``, whose compiled code is kept on disk where that can be.

numba alone keeps a kernel for as long as the file that it stands in is the same. What a kernel takes
from another module (a function that is compiled into it, a table of titles made into an array) may
change with a new version of this software, and the old code would go on to be used: two data teams
with one version would encode one name differently, and nobody would know. So what is kept here
is valid for the file and for every file of this package that it imports.

Where nothing can be kept (a folder that is read-only, no home folder, a full disk) numba refuses to
start or breaks off. Here it is said once, and every run compiles anew.

Source: specs/adr/0058-compiled-code-is-kept-by-what-it-depends-on.md.
"""

from __future__ import annotations

import hashlib
import inspect
import re
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeVar

import numba
from numba.core import caching

from pseudolink.notices import CacheWarning

F = TypeVar("F", bound=Callable[..., Any])

_Cache: Any = caching.FunctionCache
_PACKAGE: Final = Path(__file__).parent
_IMPORT: Final = re.compile(
    r"^[ \t]*from (pseudolink[\w.]*) import (?:\(([^)]*)\)|(.+))$|^[ \t]*import (pseudolink[\w.]*)",
    re.MULTILINE,
)
_told: list[str] = []


def njit(**options: Any) -> Callable[[F], F]:
    """
    numba's ``njit`` with the same options; compiled code is kept with ``cache``, where it can be.

    Warns:
        CacheWarning: once, where it cannot.
    """
    kept = options.pop("cache", False)

    def compiled(function: F) -> F:
        made: F = numba.njit(**options)(function)
        if kept:
            _keep(made, function)
        return made

    return compiled


def where(function: Callable[..., Any]) -> Path | None:
    """The folder in which the compiled code of a kernel is kept; None where it is not."""
    cache = getattr(function, "_cache", None)
    return Path(cache.cache_path) if isinstance(cache, _Kept) else None


def _keep(made: Any, function: Callable[..., Any]) -> None:
    try:
        made._cache = _Kept(function)
    except (RuntimeError, OSError):  # numba: no locator available
        _tell("no folder for it can be written to")


def _tell(reason: str) -> None:
    if not _told:
        _told.append(reason)
        warnings.warn(
            f"compiled code cannot be kept ({reason}): every run compiles anew, which takes about half a "
            "minute; NUMBA_CACHE_DIR names a folder of your own for it, `pseudolink doctor` looks at it",
            CacheWarning,
            stacklevel=4,
        )


class _Kept(_Cache):  # type: ignore[misc]  # it has no types
    """What is kept of one kernel."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        file = self._cache_file
        stamp = depends_on(inspect.getfile(function))
        file._source_stamp = (file._source_stamp, stamp)
        # numba writes the index before the code: with one name for all stamps, another run could find
        # the old code under the new index.
        self._begins = f"{self._impl.filename_base}."
        self._of_stamp = f"{self._begins}{stamp[:16]}."
        file._data_name_pattern = self._of_stamp + "{number:d}.nbc"

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # cut off or unreadable: whatever is wrong with it, it is made anew
            with suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except OSError as error:
            _tell((error.strerror or type(error).__name__).lower())
        else:
            self._remove_older()

    def _remove_older(self) -> None:
        """Code of this kernel under other stamps is of no more use."""
        with suppress(OSError):
            for path in Path(self.cache_path).iterdir():
                name = path.name
                if (
                    name.startswith(self._begins)
                    and name.endswith(".nbc")
                    and not name.startswith(self._of_stamp)
                ):
                    path.unlink(missing_ok=True)


@lru_cache(maxsize=256)
def depends_on(file: str) -> str:
    """Digest of the text of a module and of every module of this package that it imports, and they."""
    found: set[Path] = set()
    waiting = [Path(file).resolve()]
    while waiting:
        path = waiting.pop()
        if path not in found and path.is_file():
            found.add(path)
            waiting += _imported(path)
    digest = hashlib.sha256()
    for path in sorted(found):
        text = path.read_bytes()
        digest.update(f"{path.name} {len(text)}\n".encode())
        digest.update(text)
    return digest.hexdigest()


@lru_cache(maxsize=512)
def _imported(path: Path) -> tuple[Path, ...]:
    """Files of this package whose names follow ``import`` in the text of a module."""
    found = []
    for module, many, few, whole in _IMPORT.findall(path.read_text(encoding="utf-8")):
        place = _PACKAGE.joinpath(*(module or whole).split(".")[1:])
        names = re.findall(r"\w+", many or few)
        found += [place.with_suffix(".py"), *(place / f"{name}.py" for name in names)]
    return tuple(found)
