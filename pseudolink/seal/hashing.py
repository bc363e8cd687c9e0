"""
SHA-256 beside the work that feeds it: in a thread of its own, a few pieces behind at most.

The body's cipher is several times faster than SHA-256; one after the other they would make sealing
as slow as both together.
"""

from __future__ import annotations

import hashlib
import queue
import threading
from types import TracebackType

_WAITING = 4


class Hasher:
    """A SHA-256 that is updated in a thread; pieces given to it must not change afterwards."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._pieces: queue.Queue[bytes | None] = queue.Queue(_WAITING)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while (piece := self._pieces.get()) is not None:
            self._hash.update(piece)

    def __enter__(self) -> Hasher:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._finish()

    def _finish(self) -> None:
        if self._thread.is_alive():
            self._pieces.put(None)
            self._thread.join()

    def update(self, piece: bytes) -> None:
        """Add bytes."""
        self._pieces.put(piece)

    def finish(self) -> hashlib._Hash:
        """The hash of everything that was added."""
        self._finish()
        return self._hash
