"""clk-v1, section 9: diffused CLKs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pseudolink.encode.diffusion import LABEL, VERSION, diffuse, index_sets, measure_fill
from pseudolink.errors import EmptyInputError, FloorError, UsageError
from pseudolink.keys.linkage import LinkageKey

FOLDER = Path(__file__).parents[2] / "specs" / "vectors" / "clkhash"
KEY = bytes(range(32))


def cases(case: str) -> list[dict[str, Any]]:
    read = [json.loads(p.read_text(encoding="utf-8")) | {"id": p.stem} for p in sorted(FOLDER.glob("*.json"))]
    found = [v for v in read if v["case"] == case]
    assert found
    return found


def with_bits(*counts: int) -> np.ndarray:
    bits = np.arange(1024) < np.array(counts)[:, None]
    return np.packbits(bits, axis=1)


def random_clks(records: int, fill: float, seed: int = 1) -> np.ndarray:
    return np.packbits(np.random.default_rng(seed).random((records, 1024)) < fill, axis=1)


@pytest.mark.parametrize("vector", cases("diffusion"), ids=lambda v: v["id"])
def test_any_two_sites_diffuse_alike(vector: dict[str, Any]) -> None:
    linkage = LinkageKey(bytes.fromhex(vector["linkage_key_hex"]))
    key = linkage.derive(LABEL, VERSION, vector["project"], vector["schema_sha256"])
    assert vector["key_hex"] == key.hex()
    assert vector["first_sets"] == index_sets(key)[:3].tolist()
    inner = np.array([list(bytes.fromhex(one)) for one in vector["inner_hex"]], dtype=np.uint8)
    assert vector["diffused_hex"] == [row.tobytes().hex() for row in diffuse(inner, key)[0]]


@pytest.mark.parametrize("vector", cases("fill"), ids=lambda v: v["id"])
def test_the_median_record_decides_whether_clks_are_full_enough(vector: dict[str, Any]) -> None:
    clks = with_bits(*vector["counts"])
    if vector["expect"] == "success":
        diffuse(clks, KEY)
        return
    with pytest.raises(FloorError, match="median record"):
        diffuse(clks, KEY)


def test_every_output_bit_has_eight_inner_bits() -> None:
    sets = index_sets(KEY)
    assert sets.shape == (2048, 8)
    assert sets.max() < 1024
    assert all(len(set(row)) == 8 for row in sets.tolist())
    uses = np.bincount(sets.ravel(), minlength=1024)
    assert uses.min() > 0  # no inner bit is lost
    assert len({frozenset(row) for row in sets.tolist()}) == 2048


def test_another_key_draws_other_sets() -> None:
    other = bytes([1, *KEY[1:]])
    assert (np.sort(index_sets(KEY)) == np.sort(index_sets(other))).all(axis=1).sum() == 0
    clks = random_clks(200, 0.47)
    left, right = diffuse(clks, KEY)[0], diffuse(clks, other)[0]
    assert abs((np.unpackbits(left) == np.unpackbits(right)).mean() - 0.5) < 0.01


def test_linear_attack_finds_no_inner_bit_in_an_outer_one() -> None:
    """Known pairs: no inner bit predicts any outer bit, where a plain CLK gives each away."""
    clks = random_clks(4000, 0.47)
    inner = np.unpackbits(clks, axis=1).astype(np.float32)
    outer = np.unpackbits(diffuse(clks, KEY)[0], axis=1).astype(np.float32)
    inner -= inner.mean(axis=0)
    outer -= outer.mean(axis=0)
    together = np.abs(inner.T @ outer) / (
        np.linalg.norm(inner, axis=0)[:, None] * np.linalg.norm(outer, axis=0)[None, :]
    )
    # The largest of two million correlations of unrelated bits: about 5.2 / sqrt(4000).
    assert together.max() < 0.1


def test_diffused_bits_do_not_lean() -> None:
    outer = np.unpackbits(diffuse(random_clks(2000, 0.45), KEY)[0], axis=1)
    assert abs(outer.mean() - 0.5) < 0.002


def test_equal_clks_stay_equal_and_alike_ones_alike() -> None:
    clks = random_clks(3, 0.47)
    near = np.unpackbits(clks, axis=1)
    near[:, :10] ^= 1
    first, second = diffuse(clks, KEY)[0], diffuse(np.packbits(near, axis=1), KEY)[0]
    apart = np.bitwise_count(first ^ second).sum(axis=1)
    assert np.array_equal(first, diffuse(clks, KEY)[0])
    assert (apart > 0).all()
    assert (apart < 300).all()  # unrelated ones differ in about 1024


def test_fill_is_measured_and_the_leaning_are_counted() -> None:
    fill = measure_fill(with_bits(0, 480, 500, 512, 1024))
    assert (fill.rows, fill.leaning) == (5, 2)
    assert fill.median == 500 / 1024
    assert fill.lean == pytest.approx((24 / 1024) ** 8)
    assert measure_fill(with_bits(300, 500)).median == 300 / 1024  # of two middle ones the worse


def test_a_record_without_values_is_diffused_to_zeros() -> None:
    outer, fill = diffuse(with_bits(0, 500, 500), KEY)
    assert not outer[0].any()
    assert fill.leaning == 1


def test_clks_and_keys_of_another_length_are_refused() -> None:
    with pytest.raises(UsageError):
        diffuse(np.zeros((1, 64), dtype=np.uint8), KEY)
    with pytest.raises(UsageError):
        diffuse(random_clks(1, 0.5), KEY[:16])
    with pytest.raises(EmptyInputError):
        diffuse(np.zeros((0, 128), dtype=np.uint8), KEY)
