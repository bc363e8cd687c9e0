"""
What operating systems do each in their own way, with something for those that cannot.

Calls that only POSIX has stand in no other module; a test holds that.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path
from typing import Final

#: For ``os.open``: without it Windows writes a line end of two bytes.
BINARY: Final[int] = getattr(os, "O_BINARY", 0)
#: Signals that ask to stop, by name; a system has some of them.
STOPPING: Final = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")

# Said by file systems that have nothing to synchronise (some network and memory ones).
_NO_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP})
# A byte far behind any line, so that readers are not kept from the lines themselves.
_FAR: Final = 2**40
_CONTAINER: Final = Path("/sys/fs/cgroup/memory.max")

if sys.platform == "win32":
    import msvcrt

    def lock(handle: int) -> None:
        """Wait until no other process holds the lock of an open file, and take it."""
        os.lseek(handle, _FAR, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_LOCK, 1)

    def unlock(handle: int) -> None:
        """Give the lock back."""
        os.lseek(handle, _FAR, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)

    def peak_memory() -> int | None:
        """None: this system does not say, through what Python has, how much memory was used."""
        return None

else:
    import fcntl
    import resource

    def lock(handle: int) -> None:
        """Wait until no other process holds the lock of an open file, and take it."""
        fcntl.flock(handle, fcntl.LOCK_EX)

    def unlock(handle: int) -> None:
        """Give the lock back."""
        fcntl.flock(handle, fcntl.LOCK_UN)

    def peak_memory() -> int | None:
        """Bytes of the largest resident set of this process so far, and of its largest child."""
        unit = 1 if sys.platform == "darwin" else 1024
        return sum(
            resource.getrusage(who).ru_maxrss * unit
            for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        )


def sync(path: Path) -> None:
    """
    Wait until a file, or the entries of a folder, are on the disk.

    A rename may reach the disk before the bytes do; a power cut would then leave an empty file.
    """
    if os.name == "nt" and path.is_dir():  # cannot be opened; its entries are journalled there
        return
    # Windows synchronises only what is open for writing.
    handle = os.open(path, (os.O_RDWR if os.name == "nt" else os.O_RDONLY) | BINARY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
    finally:
        os.close(handle)


def open_to_others(mode: int, bits: int = 0o077) -> bool:
    """Whether other users may read or change a file of this mode; False where modes say nothing."""
    return os.name == "posix" and stat.S_ISREG(mode) and bool(mode & bits)


def processors() -> int:
    """How many processors this process may use: of a container or a batch job, not of the machine."""
    if hasattr(os, "sched_getaffinity"):
        try:
            return len(os.sched_getaffinity(0)) or 1
        except OSError:
            pass
    return os.cpu_count() or 1


def memory() -> tuple[int | None, int | None]:
    """Bytes of memory in all and free for use, of a container what it may use; None where nobody says."""
    if sys.platform == "win32":
        return _windows_memory()
    try:
        page = os.sysconf("SC_PAGE_SIZE")
        whole = page * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None, None
    allowed = min(whole, _limit() or whole)
    free = _available()
    return allowed, None if free is None else min(free, allowed)


def _limit() -> int | None:
    """Of Linux: what the container of this process may use."""
    try:
        return int(_CONTAINER.read_text(encoding="ascii"))  # "max" where there is no limit
    except (OSError, ValueError):
        return None


def _available() -> int | None:
    """Of Linux: what programs can take without swapping."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError, IndexError):
        return None


def _windows_memory() -> tuple[int | None, int | None]:
    import ctypes

    class _Status(ctypes.Structure):
        _fields_ = (
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            *((name, ctypes.c_ulonglong) for name in ("whole", "free", "b", "c", "d", "e", "f")),
        )

    status = _Status(length=ctypes.sizeof(_Status))
    library = getattr(ctypes, "windll", None)
    if library is None or not library.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
        return None, None
    return int(status.whole), int(status.free)


def random_ready() -> bool:
    """Whether the system's random numbers can be had without waiting, as they can soon after a start."""
    if hasattr(os, "getrandom"):
        try:
            return len(os.getrandom(32, os.GRND_NONBLOCK)) == 32
        except OSError:
            return False
    return len(os.urandom(32)) == 32
