"""matching-v1 sections 1 and 2: candidate pairs in memory."""

from __future__ import annotations

import numpy as np

from pseudolink.formats.candidates import Candidates, Links, Presence, Scored

N = np.arange(3)


def test_candidates_are_as_many_as_their_pairs() -> None:
    assert len(Candidates(N, N, N.astype(np.uint64), N)) == 3
    assert len(Candidates(N[:0], N[:0], N[:0].astype(np.uint64), N[:0])) == 0


def test_the_evidence_of_a_pair_is_that_of_its_records_unless_versions_speak_for_them() -> None:
    plain = Candidates(N, N + 10, N.astype(np.uint64), N)
    np.testing.assert_array_equal(plain.rows, (N, N + 10))
    versions = Candidates(N, N + 10, N.astype(np.uint64), N, (N + 1, N + 20))
    np.testing.assert_array_equal(versions.rows, (N + 1, N + 20))


def test_records_are_counted_once_whatever_their_versions() -> None:
    tokens = np.zeros(5, dtype=np.uint64)
    fields = np.zeros(5, dtype=np.int64)
    assert Presence(tokens, fields).records == 5
    assert Presence(tokens, fields, 3, np.asarray([0, 0, 2, 2, 4])).records == 3


def test_a_record_with_a_token_in_several_versions_counts_once() -> None:
    tokens = np.asarray([0b01, 0b11, 0b10, 0b00, 0b01], dtype=np.uint64)
    fields = np.zeros(5, dtype=np.int64)
    assert [Presence(tokens, fields).with_token(n) for n in range(3)] == [3, 2, 0]
    versions = Presence(tokens, fields, 3, np.asarray([0, 0, 2, 2, 4]))
    assert [versions.with_token(n) for n in range(3)] == [2, 2, 0]


def test_links_are_places_among_the_candidates() -> None:
    pairs = Candidates(N, N, N.astype(np.uint64), N)
    scored = Scored(pairs, N.astype(np.float64), np.full(3, 0.5))
    links = Links(np.asarray([2]), np.asarray([0, 1]))
    assert scored.candidates.left[links.accepted].tolist() == [2]
    assert scored.candidates.left[links.ambiguous].tolist() == [0, 1]
