"""
Chunks on the threads of this process.

The work is in compiled loops that let other threads run, so threads share the tables and the keys
that are in memory already: no key is sent anywhere, and nothing is copied to start a worker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")


def run(function: Callable[[A], B], chunks: Sequence[A], *, threads: int) -> Iterator[B]:
    """
    Apply a function to every chunk and yield the results in order.

    At most two chunks a thread are in hand at a time, so memory does not grow with their number. An
    exception in a chunk is raised here, and the chunks behind it are not begun.
    """
    if threads <= 1 or len(chunks) <= 1:
        yield from map(function, chunks)
        return
    with ThreadPoolExecutor(threads, thread_name_prefix="pseudolink") as pool:
        waiting = []
        upcoming = iter(chunks)
        try:
            for chunk in upcoming:
                waiting.append(pool.submit(function, chunk))
                if len(waiting) >= 2 * threads:
                    yield waiting.pop(0).result()
            while waiting:
                yield waiting.pop(0).result()
        finally:
            for one in waiting:
                one.cancel()
