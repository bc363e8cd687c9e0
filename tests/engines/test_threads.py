"""Chunks on threads: in order, bounded, and an error ends the run."""

from __future__ import annotations

import threading

import pytest

from pseudolink.engines import threads


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("chunks", [0, 1, 2, 7, 50])
def test_results_come_in_the_order_of_the_chunks(count, chunks):
    """Whatever finishes first."""
    gate = threading.Event()

    def slow_first(item):
        if item == 0 and chunks > 2 and count > 1:
            gate.wait(5)
        if item == 1:
            gate.set()
        return item * item

    assert list(threads.run(slow_first, range(chunks), threads=count)) == [n * n for n in range(chunks)]


def test_memory_holds_two_chunks_a_thread_at_most():
    """A consumer that is slow does not make results pile up."""
    begun = []
    results = threads.run(lambda item: begun.append(item) or item, list(range(100)), threads=2)
    next(results)
    assert len(begun) <= 4


def test_an_error_in_a_chunk_is_raised_and_later_chunks_are_not_begun():
    """A failing chunk ends the run with its own error."""
    begun = []

    def fails(item):
        begun.append(item)
        if item == 3:
            raise ValueError("three")
        return item

    with pytest.raises(ValueError, match="three"):
        list(threads.run(fails, range(1000), threads=2))
    assert len(begun) < 20
