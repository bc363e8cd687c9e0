"""
Files that are whole or absent.

An interrupted run must leave nothing at a final name. Everything is written beside its final
place under a name that starts with ``.pseudolink-tmp-`` and is renamed when it is complete and
on disk. What an earlier, killed run left behind under such a name is removed by the next one.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pseudolink.errors import OutputError, OutputExistsError
from pseudolink.portable import BINARY, sync

PREFIX = ".pseudolink-tmp-"
WORK_PREFIX = ".pseudolink-work-"
_RANDOM_BYTES = 6


def _temporary(final: Path) -> Path:
    return final.parent / f"{PREFIX}{final.name}-{secrets.token_hex(_RANDOM_BYTES)}"


def _discard(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(FileNotFoundError, NotADirectoryError):
            path.unlink()


def _sweep(final: Path) -> None:
    # The whole name is matched: the temporary of "a-b" may be another run's, still at work.
    ours = re.compile(re.escape(f"{PREFIX}{final.name}-") + f"[0-9a-f]{{{2 * _RANDOM_BYTES}}}")
    for left in final.parent.iterdir():
        if ours.fullmatch(left.name):
            _discard(left)


def refuse_existing(final: Path) -> None:
    """
    Raise OutputExistsError when something stands at the final name.

    Raises:
        OutputExistsError: a file, a folder or a link is there.
        OutputError: the system does not let us look.
    """
    try:
        there = final.exists() or final.is_symlink()
    except OSError as error:
        raise _refused(final, error) from error
    if there:
        raise OutputExistsError(
            f"{final} is already there", advice="Choose another output, or move the old one away."
        )


def _refused(final: Path, error: OSError) -> OutputError:
    return OutputError(f"cannot write {final}: {error.strerror or type(error).__name__}")


@contextmanager
def new_file(final: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """
    Give a temporary path beside ``final`` to write to; on success it becomes ``final``.

    Raises:
        OutputExistsError: ``final`` exists and ``overwrite`` is false.
        OutputError: the system refused to write.
    """
    final = Path(final)
    if not overwrite:
        refuse_existing(final)
    temporary = _temporary(final)
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        _sweep(final)
        # Created with the owner's rights alone, before a byte is in it.
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | BINARY, 0o600))
        yield temporary
        sync(temporary)
        if not overwrite:  # another run may have finished meanwhile
            refuse_existing(final)
        os.replace(temporary, final)
        sync(final.parent)
    except OSError as error:
        raise _refused(final, error) from error
    finally:
        _discard(temporary)


@contextmanager
def new_folder(final: Path) -> Iterator[Path]:
    """
    Give a temporary folder beside ``final`` to fill; on success it becomes ``final``.

    Raises:
        OutputExistsError: ``final`` exists.
        OutputError: the system refused to write.
    """
    final = Path(final)
    refuse_existing(final)
    temporary = _temporary(final)
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        _sweep(final)
        temporary.mkdir(mode=0o700)
        yield temporary
        for path in temporary.rglob("*"):
            if not path.is_symlink():
                sync(path)
        sync(temporary)
        refuse_existing(final)  # another run may have finished meanwhile
        os.rename(temporary, final)
        sync(final.parent)
    except OSError as error:
        raise _refused(final, error) from error
    finally:
        _discard(temporary)


def write_bytes(final: Path, data: bytes, *, overwrite: bool = False) -> None:
    """Write ``data`` to ``final``, whole or not at all."""
    with new_file(final, overwrite=overwrite) as temporary:
        temporary.write_bytes(data)


@contextmanager
def work_folder(final: Path, digest: str) -> Iterator[Path]:
    """
    Give a folder beside ``final`` for what a long run has finished so far.

    It is named by ``digest``, of all that decides the result: a run that was killed finds there what
    it had done, and one with other inputs does not. It is removed when the run ends by itself, well
    or not, and so are those of earlier runs for the same ``final``.

    Raises:
        OutputError: the system refused to write.
    """
    final = Path(final)
    start = f"{WORK_PREFIX}{final.name}-"
    folder = final.parent / f"{start}{digest}"
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        ours = re.compile(re.escape(start) + "[0-9a-f]{64}")
        for left in final.parent.iterdir():
            if ours.fullmatch(left.name) and left != folder:
                _discard(left)
        folder.mkdir(mode=0o700, exist_ok=True)
        yield folder
    except OSError as error:
        raise _refused(final, error) from error
    finally:
        _discard(folder)


@contextmanager
def scratch_folder(final: Path) -> Iterator[Path]:
    """
    Give a folder beside ``final`` that is gone afterwards, whatever happens.

    Raises:
        OutputError: the system refused to write.
    """
    final = Path(final)
    temporary = _temporary(final)
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        _sweep(final)
        temporary.mkdir(mode=0o700)
        yield temporary
    except OSError as error:
        raise _refused(final, error) from error
    finally:
        _discard(temporary)
