"""
What the doctor looks at around the software: folders, keys, memory, clock, random numbers.

Nothing is changed; a temporary file is written and removed. No key is opened.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from pseudolink import portable

OK, NOTE, WRONG = "ok", "note", "wrong"
_GIB: Final = 2**30
#: Below it a linkage of large extracts would not have room for what waits on disk.
LEAST_SPACE: Final = 2 * _GIB
LEAST_MEMORY: Final = 2 * _GIB
_CACHE: Final = (
    "Every run compiles anew, for about half a minute. Name a folder of your own: NUMBA_CACHE_DIR=FOLDER."
)
_MAKE_PRIVATE: Final = "Make it the owner's alone: chmod {} {}."


class Check(NamedTuple):
    """
    One thing that was looked at.

    state: ok; note, where things work and could be better; wrong, where they do not.
    advice: what to do, "" where there is nothing.
    """

    name: str
    state: str
    found: str
    advice: str = ""


def gib(size: int) -> str:
    """Bytes for a person."""
    return f"{size / _GIB:,.1f} GiB"


def kernel_cache(kernel: Any) -> Check:
    """Where compiled code is kept, and whether others could change it: it is run as it is found."""
    from pseudolink.kernels import where

    place = where(kernel)
    if place is None:
        return Check("compiled code", NOTE, "is not kept: no folder for it can be written to", _CACHE)
    try:
        mode = place.stat().st_mode
    except OSError:
        return Check("compiled code", NOTE, f"is not kept: {place} is not there", _CACHE)
    if os.name == "posix" and mode & 0o022 and not mode & stat.S_ISVTX:
        return Check(
            "compiled code",
            WRONG,
            f"is kept in {place}, where other users can change what is run",
            _MAKE_PRIVATE.format("go-w", place),
        )
    return Check("compiled code", OK, f"is kept in {place}")


def temporary_folder() -> Check:
    """Whether there is a folder for temporary files, and room in it."""
    try:
        place = tempfile.gettempdir()
        with tempfile.TemporaryFile(dir=place) as stream:
            stream.write(b"x")
    except OSError as error:
        said = error.strerror or type(error).__name__
        return Check("temporary files", WRONG, f"cannot be written: {said}", "Name a folder: TMPDIR=FOLDER.")
    return _space("temporary files", Path(place))


def working_folder(place: Path) -> Check:
    """Room where results and what waits on disk go: beside the output."""
    return _space("this folder", place)


def _space(name: str, place: Path) -> Check:
    try:
        free = shutil.disk_usage(place).free
    except OSError as error:
        return Check(name, NOTE, f"{place}: {error.strerror or type(error).__name__}")
    if free < LEAST_SPACE:
        return Check(name, NOTE, f"{place}: {gib(free)} free", "Large extracts need more: make room.")
    return Check(name, OK, f"{place}: {gib(free)} free")


def machine() -> Iterator[Check]:
    """Processors and memory."""
    count = portable.processors()
    of_machine = os.cpu_count() or count
    more = f" of {of_machine}, by a limit on this process" if of_machine != count else ""
    yield Check("processors", OK, f"{count}{more}")
    whole, free = portable.memory()
    if whole is None:
        yield Check("memory", NOTE, "the system does not say how much there is")
        return
    found = gib(whole) + ("" if free is None else f", {gib(free)} free")
    small = whole < LEAST_MEMORY or (free is not None and free < LEAST_MEMORY // 4)
    advice = "Use smaller chunks (encode --chunk-rows) and shards (link --memory)." if small else ""
    yield Check("memory", NOTE if small else OK, found, advice)


def randomness() -> Check:
    """Whether keys could be made now."""
    if portable.random_ready():
        return Check("random numbers", OK, "from the system")
    return Check(
        "random numbers",
        WRONG,
        "the system has none yet",
        "Wait: a machine that has just started gathers them. Make no key before.",
    )


def clock(now: datetime | None = None) -> Check:
    """
    Whether the clock can be right: agreements, packages and receipts are dated by it.

    It is behind where this software was installed after today.
    """
    now = now or datetime.now(UTC)
    installed = datetime.fromtimestamp(Path(__file__).stat().st_mtime, UTC)
    found = f"{now:%Y-%m-%d %H:%M} UTC"
    if (installed - now).days >= 1:
        return Check(
            "clock",
            WRONG,
            f"{found}, before this software was installed ({installed:%Y-%m-%d})",
            "Set it: what is sealed and signed carries its date.",
        )
    return Check("clock", OK, found)


def keys(folders: Sequence[Path]) -> Iterator[Check]:
    """Who else can read folders of keys and the secrets in them (POSIX); no key is opened."""
    for folder in folders:
        name = f"keys in {folder}"
        if os.name != "posix":
            yield Check(
                name, NOTE, "who can read them is not known on this system", "Look at its properties."
            )
            continue
        open_files = sorted(
            path.name
            for path in folder.iterdir()
            if _is_secret(path) and portable.open_to_others(path.stat().st_mode)
        )
        if open_files:
            yield Check(
                name,
                WRONG,
                f"other users can read or change {', '.join(open_files)}",
                "Make them the owner's alone (chmod 600), and consider these keys disclosed.",
            )
        elif folder.stat().st_mode & 0o077:
            advice = _MAKE_PRIVATE.format("700", folder)
            yield Check(name, NOTE, "other users can see which keys are there", advice)
        else:
            yield Check(name, OK, "the owner alone can read them")


def _is_secret(path: Path) -> bool:
    name = path.name.lower()
    return path.is_file() and (name.endswith(".key") or "passphrase" in name or name.startswith("pin"))
