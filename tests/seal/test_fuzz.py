from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import fuzz_packages
import reference_package
from parties_in_memory import key_of

INPUTS = 2000


def test_no_input_is_a_crash_or_another_artefact(tmp_path: Path) -> None:
    """A thousandth of `python benchmarks/fuzz_packages.py`; a failure prints its seed and number."""
    seed = 20260601
    chance = random.Random(seed)
    found: Counter[str] = Counter()
    for number in range(INPUTS):
        one = fuzz_packages.mutant(chance)
        try:
            found[fuzz_packages.try_one(one, tmp_path)] += 1
        except Exception as error:
            raise AssertionError(f"seed {seed}, input {number}: {type(error).__name__}") from error
    # Mutants that stop at the first check alone would test nothing behind it.
    assert {"PL-SEAL-01", "PL-SEAL-02", "PL-FORMAT-01", "PL-KEY-03", "PL-AGREE-05"} <= set(found)
    assert found["PL-SEAL-02"] < INPUTS / 3


def test_no_byte_of_a_package_is_unchecked(tmp_path: Path) -> None:
    """Every 11th byte with one bit flipped, and every byte of what is in front of the body's first 64."""
    data = reference_package.BASE
    header = len(data) - 96 - len(reference_package.Package().body)
    assert key_of("unit").public
    places = sorted(
        {
            *range(0, header, 5),
            *range(header, header + 64),
            *range(header, len(data), 23),
            *range(len(data) - 96, len(data)),
        }
    )
    for at in places:
        changed = data[:at] + bytes([data[at] ^ (1 << (at % 8))]) + data[at + 1 :]
        assert fuzz_packages.try_one(fuzz_packages.Mutant(changed), tmp_path) != "opened", at
