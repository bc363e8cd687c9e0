"""
Chunks on the threads of this process.

The work is in compiled loops that let other threads run, so threads share the tables and the keys
that are in memory already: no key is sent anywhere, and nothing is copied to start a worker.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")


def run(function: Callable[[A], B], chunks: Iterable[A], *, threads: int) -> Iterator[B]:
    """
    Apply a function to every chunk and yield the results in order.

    A chunk is taken when a thread is nearly free for it: at most one more than there are threads
    is in hand, so memory does not grow with their number. An exception in a chunk is raised here,
    and the chunks behind it are not begun.
    """
    if threads <= 1:
        yield from map(function, chunks)
        return
    with ThreadPoolExecutor(threads, thread_name_prefix="pseudolink") as pool:
        waiting: deque[Future[B]] = deque()
        try:
            for chunk in chunks:
                waiting.append(pool.submit(function, chunk))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for one in waiting:
                one.cancel()
