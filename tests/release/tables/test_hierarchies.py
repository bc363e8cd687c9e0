"""Hierarchical and linked tables against enumeration: no hidden cell too narrow, none hidden in vain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pyarrow as pa
import pytest
from release.tables.brute_force import SMALL

from pseudolink.release.tables.cells import key_of, make_atoms
from pseudolink.release.tables.definition import Definition, Profile
from pseudolink.release.tables.people import read_people
from pseudolink.release.tables.safe import PRIMARY, PUBLISHED, make_safe

SEED = 20261
Atom = Mapping[str, str]
Key = frozenset[tuple[str, str | None]]


class World:
    """Every table of whole numbers up to ``most`` in each atom, and what every cell is in each of them."""

    def __init__(self, atoms: Sequence[Atom], keys: Sequence[Key], most: int) -> None:
        grid = np.indices((most + 1,) * len(atoms), dtype=np.int16).reshape(len(atoms), -1)
        self.atoms, self.keys = list(atoms), list(keys)
        self.values = {
            key: grid[[key <= frozenset(atom.items()) for atom in atoms]].sum(axis=0, dtype=np.int16)
            for key in keys
        }

    def truth(self, counts: np.ndarray) -> dict[Key, int]:
        return {
            key: int(
                sum(n for n, atom in zip(counts, self.atoms, strict=True) if key <= frozenset(atom.items()))
            )
            for key in self.keys
        }

    def safe(self, truth: Mapping[Key, int], hidden: frozenset[Key], need: int) -> bool:
        """Whether no hidden cell can be pinned down to less than ``need``."""
        keep = np.ones(len(self.values[self.keys[0]]), dtype=bool)
        for key, value in truth.items():
            if key not in hidden:
                keep &= self.values[key] == value
        for key in hidden:
            found = self.values[key][keep]
            if int(found.max()) - int(found.min()) < need:
                return False
        return True

    def fewer(self, truth: Mapping[Key, int], primary: frozenset[Key], need: int, ours: int) -> int | None:
        """The size of a safe pattern with fewer cells than ours; None where there is none."""
        rest = [key for key in truth if key not in primary]
        for more in range(ours - len(primary)):
            for added in combinations(rest, more):
                if self.safe(truth, primary | set(added), need):
                    return len(primary) + more
        return None


def compare(
    atoms: Sequence[Atom], definitions: Sequence[Definition], profile: Profile, tables: int, high: int
) -> None:
    names = list(dict.fromkeys(name for one in definitions for name in one.variables))
    rng = np.random.default_rng(SEED)
    world: World | None = None
    done = hidden_at_all = 0
    while done < tables:
        counts = rng.integers(0, high + 1, size=len(atoms))
        spread = [atom for count, atom in zip(counts, atoms, strict=True) for _ in range(count)]
        if any(len({atom[name] for atom in spread}) < len({a[name] for a in atoms}) for name in names):
            continue
        table = pa.table(
            {"id": np.arange(len(spread)), **{name: [atom[name] for atom in spread] for name in names}}
        )
        people = read_people(table, names, person="id", family=None)
        if len(make_atoms(people, definitions).codes) != len(atoms):
            continue  # chance made one variable decide another; that has tests of its own
        done += 1
        found = make_safe(people, definitions, profile)
        status: dict[Key, str] = {}
        shown: dict[Key, float | None] = {}
        for one in found.tables:
            for cell in one.cells:
                key = key_of((cell.rows, cell.columns), one.definition)
                assert status.setdefault(key, cell.status) == cell.status
                assert shown.setdefault(key, cell.value) == cell.value
        world = world or World(atoms, list(status), high + profile.people)
        truth = world.truth(counts)
        hidden = frozenset(key for key, value in shown.items() if value is None)
        primary = frozenset(key for key, one in status.items() if one == PRIMARY)
        hidden_at_all += bool(hidden)
        assert all(value is None or value == truth[key] for key, value in shown.items())
        assert all(truth[k] >= profile.people for k, one in status.items() if one == PUBLISHED and truth[k])
        assert world.safe(truth, hidden, profile.people), counts.tolist()
        assert found.proved
        best = world.fewer(truth, primary, profile.people, len(hidden))
        assert best is None or len(hidden) <= 1.1 * best, (counts.tolist(), len(hidden), best)
    assert hidden_at_all > tables / 3


DISTRICTS = [("north", "n1"), ("north", "n2"), ("south", "s1")]
NESTED = [{"region": r, "district": d, "kind": k} for (r, d), k in product(DISTRICTS, "xy")]
BY_DISTRICT = [Definition.parse("region/district", "kind")]
LINKED = [{"area": a, "kind": k, "did": d} for a, k, d in product("ab", "xy", "yn")]
BY_AREA = [Definition.parse("area", "kind"), Definition.parse("area", "did")]
TINY = replace(SMALL, people=2)


def test_nested_tables_are_as_good_as_the_best_pattern_and_never_narrower_than_the_rule() -> None:
    compare(NESTED, BY_DISTRICT, SMALL, tables=12, high=4)


def test_linked_tables_protect_one_another_and_hide_nothing_in_vain() -> None:
    """What one of two tables shows is known to whoever reads the other."""
    compare(LINKED, BY_AREA, TINY, tables=8, high=2)


@pytest.mark.slow
def test_hundreds_of_nested_and_linked_tables_against_brute_force() -> None:
    compare(NESTED, BY_DISTRICT, SMALL, tables=250, high=4)
    compare(LINKED, BY_AREA, TINY, tables=60, high=2)
