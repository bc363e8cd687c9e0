"""A5: keys that someone could think of are found, drawn ones are not."""

from __future__ import annotations

import hashlib
import secrets

import numpy as np
import pytest
from toy_people import people, schema

from pseudolink.attacks import registry, suite
from pseudolink.attacks.attack import Setting
from pseudolink.attacks.laboratory import Laboratory
from pseudolink.attacks.methods import key_hygiene as a5

RNG = np.random.default_rng


def run(secret: bytes, scheme: str = "keyed", **extra: object) -> dict[str, float]:
    lab = Laboratory(people(120), schema(), registry.scheme(scheme), secret, "families")
    found = suite.run(a5.ATTACK, lab, Setting(extra=extra), 1)
    assert found.result is not None
    return dict(found.result.figures)


@pytest.mark.parametrize(
    "secret",
    [
        bytes(32),
        b"\xff" * 32,
        bytes(range(32)),
        hashlib.sha256(b"").digest(),
        hashlib.sha256(b"password").digest(),
        hashlib.sha256(b"families").digest(),
        b"secret".ljust(32, b"\0"),
    ],
)
def test_a_key_that_someone_would_try_is_found(secret: bytes) -> None:
    found = run(secret)
    assert found["keys_that_fit"] == 1
    assert found["in_common"] == 1


@pytest.mark.parametrize("scheme", ["keyed", "clk", "folded"])
def test_a_drawn_key_is_not_found(scheme: str) -> None:
    assert run(secrets.token_bytes(32), scheme) == {"in_common": 0, "keys_that_fit": 0}


def test_the_true_key_among_those_tried_is_found_wherever_it_is() -> None:
    """The canary: it would be found if it were on the list."""
    assert run(secrets.token_bytes(32), true_key=True)["in_common"] == 1


def test_a_weak_secret_of_a_clk_is_found_too() -> None:
    assert run(bytes(32), "clk")["keys_that_fit"] == 1


def test_every_weak_key_is_a_key_and_none_is_tried_twice() -> None:
    made = list(a5.weak_keys("families"))
    assert all(len(key) == a5.KEY_BYTES for _, key in made)
    assert len({name for name, _ in made}) == len(made)


def test_compacting_changes_no_row() -> None:
    cleaned = people(100).take(np.asarray([3, 3, 50]))
    small = a5.compact(cleaned)
    for name, column in cleaned.fields.items():
        assert [column.values[c] for c in column.codes] == [
            small.fields[name].values[c] for c in small.fields[name].codes
        ]
        assert len(small.fields[name].values) <= 2
