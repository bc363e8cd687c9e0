"""
Worker processes on this machine.

A secret reaches a worker as raw bytes through a pipe, never as an argument, an environment
variable or a pickle. Results come back in the order of the chunks, whatever finishes first. A
worker that dies ends the run with an error: it never hangs.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any, cast

from pseudolink.errors import PseudolinkError


class WorkerError(PseudolinkError):
    """A worker process failed or was killed."""

    code = "PL-ENGINE-01"


def _work(pipe: Connection, function: Callable[[bytes, Any], Any]) -> None:
    # An interrupt reaches the whole group; the parent ends its workers, without their tracebacks.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    secret = pipe.recv_bytes()
    while True:
        try:
            item = pipe.recv()
        except EOFError:
            return
        if item is None:
            return
        index, chunk = item
        try:
            pipe.send((index, function(secret, chunk), None))
        except PseudolinkError as error:
            pipe.send((index, None, (type(error).__name__, error.message)))
        except Exception as error:  # the text of an unforeseen error may hold a value: only its type
            pipe.send((index, None, (type(error).__name__, "")))


def run(
    function: Callable[[bytes, Any], Any], chunks: Sequence[Any], *, processes: int, secret: bytes = b""
) -> Iterator[Any]:
    """
    Apply ``function(secret, chunk)`` to every chunk and yield the results in order.

    With one process (or one chunk) nothing is started and the function runs here. ``function``
    must be importable by name, so that any start method can find it.

    Raises:
        WorkerError: a worker failed; names the type of the error, never its text.
    """
    if processes <= 1 or len(chunks) <= 1:
        for chunk in chunks:
            yield function(secret, chunk)
        return
    context = multiprocessing.get_context("spawn")
    workers = []
    pipes: list[Connection] = []
    try:
        for _ in range(min(processes, len(chunks))):
            ours, theirs = context.Pipe()
            worker = context.Process(target=_work, args=(theirs, function), daemon=True)
            pipes.append(ours)
            worker.start()
            workers.append(worker)
            theirs.close()
            ours.send_bytes(secret)
        yield from _collect(pipes, chunks)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        raise WorkerError(
            "a worker process was killed",
            advice="Usually too little memory: use fewer processes. A script that is run as a file "
            'needs `if __name__ == "__main__":` around what it does.',
        ) from None
    finally:
        for pipe in pipes:
            pipe.close()
        for worker in workers:
            worker.terminate()
            worker.join()


def _collect(pipes: list[Connection], chunks: Sequence[Any]) -> Iterator[Any]:
    upcoming = iter(enumerate(chunks))
    busy: set[Connection] = set()
    results: dict[int, Any] = {}
    wanted = 0

    def feed(pipe: Connection) -> None:
        item = next(upcoming, None)
        if item is not None:
            pipe.send(item)
            busy.add(pipe)

    for pipe in pipes:
        feed(pipe)
    while wanted < len(chunks):
        # On Windows a pipe is of a sibling class of Connection, with the same methods.
        for pipe in cast("list[Connection]", wait(list(busy))):
            index, result, failure = pipe.recv()
            busy.discard(pipe)
            if failure is not None:
                kind, message = failure
                raise WorkerError(f"a worker stopped: {kind}" + (f": {message}" if message else ""))
            results[index] = result
            feed(pipe)
        while wanted in results:
            yield results.pop(wanted)
            wanted += 1
