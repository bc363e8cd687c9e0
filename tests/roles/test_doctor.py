"""doctor: what is there, what is missing, and why."""

from __future__ import annotations

import builtins
from typing import Any

import pytest

from pseudolink.encode import siphash
from pseudolink.keys.party import PartyKey
from pseudolink.roles import doctor


def test_every_requirement_of_the_package_has_its_version() -> None:
    found = doctor.examine()
    assert found["missing"] == {}
    assert {"click", "cryptography", "numba", "numpy", "pyarrow", "scipy"} <= set(found["versions"])
    assert found["processors"] >= 1
    assert "numba" in found["kernel"]


def test_a_requirement_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        doctor, "requires", lambda _: ["no-such-thing>=1", "numpy[x]>=2", "mkdocs; extra == 'docs'"]
    )
    found = doctor.examine()
    assert found["missing"] == {"no-such-thing": "not installed"}
    assert "numpy" in found["versions"]


def test_a_kernel_that_computes_wrongly_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrong filters would link nobody, and nothing else would tell."""
    monkeypatch.setattr(siphash, "known_answer", lambda: 0)
    assert "wrong answers" in doctor.examine()["missing"]["kernel"]


def test_sealing_that_does_not_work_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: PartyKey, *_: object) -> bytes:
        return b"y" * 32

    monkeypatch.setattr(PartyKey, "unwrap", broken)
    assert doctor.examine()["missing"]["sealing"] == "what was sealed did not open"


def test_a_library_without_post_quantum_keys_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*_: object, **__: object) -> Any:
        raise ImportError("ML-KEM")

    monkeypatch.setattr(PartyKey, "generate", absent)
    assert "cryptography package" in doctor.examine()["missing"]["sealing"]
    assert builtins.ImportError.__name__ in doctor.examine()["missing"]["sealing"]
