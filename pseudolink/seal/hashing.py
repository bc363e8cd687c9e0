"""
SHA-256 beside the work that feeds it: in a thread of its own, a few pieces behind at most.

The body's cipher is several times faster than SHA-256; one after the other they would make sealing
as slow as both together. Pieces travel in buffers that are used again, so memory is constant.
"""

from __future__ import annotations

import hashlib
import queue
import threading
from types import TracebackType

_BUFFERS = 8

Piece = bytes | memoryview


class Hasher:
    """A SHA-256 that is updated in a thread; pieces given to it must not change until it is done."""

    def __init__(self, size: int) -> None:
        """size: bytes of each buffer."""
        self._hash = hashlib.sha256()
        self._pieces: queue.Queue[tuple[Piece, bytearray | None] | None] = queue.Queue(_BUFFERS)
        self._free: queue.SimpleQueue[bytearray] = queue.SimpleQueue()
        for _ in range(_BUFFERS):
            self._free.put(bytearray(size))
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while (item := self._pieces.get()) is not None:
            piece, buffer = item
            self._hash.update(piece)
            if buffer is not None:
                self._free.put(buffer)

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

    def buffer(self) -> bytearray:
        """A buffer to fill; waits until one is free. It is given back with its piece."""
        return self._free.get()

    def update(self, piece: Piece, buffer: bytearray | None = None) -> None:
        """Add bytes. buffer: the one that they stand in, which is free when they have been hashed."""
        self._pieces.put((piece, buffer))

    def finish(self) -> hashlib._Hash:
        """The hash of everything that was added."""
        self._finish()
        return self._hash
