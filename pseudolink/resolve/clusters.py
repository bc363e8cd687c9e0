"""
Clusters: records of several parties that are one person, held together by constraints.

Links are taken in groups of equal evidence, the best first. A group that cannot be merged as a
whole is a tie or a contradiction, and is left apart: the order of rows decides nothing, and a
chain of doubtful links makes no person.

Source: specs/resolution-v1.md, section 6.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pseudolink.errors import LinkageError

#: Most records of one person in one party with duplicates.
MOST_DUPLICATES = 10
#: Slack of products of probabilities; a sum of last digits must not decide.
_CLOSE = 1e-9
_DIGITS = 9

Pair = tuple[int, int]
#: ``least(a, b)``: the bond that two records of one cluster need.
Least = Callable[[int, int], float]


@dataclass(frozen=True)
class Link:
    """A link of two records; ``known`` comes from reviewers and is not in doubt."""

    left: int
    right: int
    probability: float
    weight: float
    known: bool = False


@dataclass
class Clusters:
    """
    What became of the links.

    members: clusters of more than one record, each in order, in the order of their first records.
    ambiguous, contradicted, capped: links that were left out: for a tie, because direct evidence or
    a constraint or a weak chain speaks against them, and for the cap alone.
    """

    members: list[tuple[int, ...]] = field(default_factory=list)
    ambiguous: list[Link] = field(default_factory=list)
    contradicted: list[Link] = field(default_factory=list)
    capped: list[Link] = field(default_factory=list)


def keyed(pairs: Iterable[Pair]) -> frozenset[Pair]:
    """Pairs with the smaller record first."""
    return frozenset((min(pair), max(pair)) for pair in pairs)


def cluster(
    party: Sequence[int],
    links: Iterable[Link],
    *,
    least: Least,
    against: Iterable[Pair] = (),
    apart: Iterable[Pair] = (),
    repeated: bool = False,
    cohort: int | None = 0,
    cap: int | None = None,
) -> Clusters:
    """
    Merge records along links, under constraints.

    Args:
        party: of each record, as a number. cohort: the party whose records are people.
        least: the threshold of a pair of records.
        against: pairs whose direct evidence says that they are two people.
        apart: pairs that a constraint keeps apart.
        repeated: a cluster may hold several records of one party (duplicates).
        cap: most records of a cluster.

    Raises:
        LinkageError: known links that a constraint forbids.
    """
    work = _Work(party, least, keyed(against), keyed(apart), repeated, cohort, cap)
    found = Clusters()
    links = list(links)
    work.join_known([one for one in links if one.known])
    rest = [one for one in links if not one.known]
    for group in _groups(rest):
        for bundle in work.bundles(group):
            work.settle(bundle, found)
    found.members = work.members()
    for listed in (found.ambiguous, found.contradicted, found.capped):
        listed.sort(key=lambda one: (one.left, one.right))
    return found


def _groups(links: Iterable[Link]) -> Iterator[list[Link]]:
    by_evidence: dict[tuple[float, float], list[Link]] = {}
    for one in links:
        key = (round(one.probability, _DIGITS), round(one.weight, _DIGITS))
        by_evidence.setdefault(key, []).append(one)
    for key in sorted(by_evidence, reverse=True):
        yield by_evidence[key]


class _Work:
    """Clusters while they grow. A cluster is named by its first record."""

    def __init__(
        self,
        party: Sequence[int],
        least: Least,
        against: frozenset[Pair],
        apart: frozenset[Pair],
        repeated: bool,
        cohort: int | None,
        cap: int | None,
    ) -> None:
        self.party, self.least, self.against, self.apart = party, least, against, apart
        self.repeated, self.cohort, self.cap = repeated, cohort, cap
        self.of: dict[int, int] = {}
        self.held: dict[int, list[int]] = {}
        self.closed: dict[int, set[int]] = {}
        self.bonds: dict[Pair, float] = {}

    def name(self, record: int) -> int:
        return self.of.get(record, record)

    def records(self, name: int) -> list[int]:
        return self.held.get(name, [name])

    def members(self) -> list[tuple[int, ...]]:
        return [tuple(sorted(self.held[name])) for name in sorted(self.held)]

    def bundles(self, group: Sequence[Link]) -> Iterator[list[Link]]:
        """Links of a group by the clusters that they tie together."""
        root: dict[int, int] = {}

        def find(name: int) -> int:
            while root.setdefault(name, name) != name:
                root[name] = root[root[name]]
                name = root[name]
            return name

        open_links = [one for one in group if self.name(one.left) != self.name(one.right)]
        for one in open_links:
            a, b = find(self.name(one.left)), find(self.name(one.right))
            root[max(a, b)] = min(a, b)
        found: dict[int, list[Link]] = {}
        for one in open_links:
            found.setdefault(find(self.name(one.left)), []).append(one)
        yield from found.values()

    def settle(self, bundle: list[Link], found: Clusters) -> None:
        names = sorted({self.name(r) for one in bundle for r in (one.left, one.right)})
        bonds = self.bonds_of(names, bundle)
        if not self.permitted(names, bonds):
            if len(bundle) == 1:
                found.contradicted += bundle
                return
            found.ambiguous += bundle
            for one in bundle:
                self.close(one.left, self.party[one.right])
                self.close(one.right, self.party[one.left])
        elif self.cap is not None and sum(len(self.records(n)) for n in names) > self.cap:
            found.capped += bundle
        else:
            self.merge(names, bonds)

    def close(self, record: int, party: int) -> None:
        self.closed.setdefault(self.name(record), set()).add(party)

    def bonds_of(self, names: Sequence[int], links: Sequence[Link]) -> dict[Pair, float]:
        """Bonds between all records of clusters, over paths of the links among them."""
        records = [r for name in names for r in self.records(name)]
        best: dict[int, dict[int, float]] = {r: {} for r in records}

        def raise_to(a: int, b: int, value: float) -> None:
            if value > best[a].get(b, 0.0):
                best[a][b] = best[b][a] = value

        for name in names:
            inside = self.records(name)
            for n, a in enumerate(inside):
                for b in inside[n + 1 :]:
                    raise_to(a, b, self.bonds[min(a, b), max(a, b)])
        for one in links:
            raise_to(one.left, one.right, one.probability)
        # Floyd and Warshall with products: bonds are at most 1, so longer ways never gain.
        for via in records:
            for a in records:
                first = best[a].get(via, 0.0)
                if not first or a == via:
                    continue
                for b, second in list(best[via].items()):
                    if b not in (a, via):
                        raise_to(a, b, first * second)
        return {(a, b): value for a in records for b, value in best[a].items() if a < b}

    def permitted(self, names: Sequence[int], bonds: Mapping[Pair, float]) -> bool:
        """Conditions 1 to 5 of section 6.3."""
        anchored = any(self.party[r] == self.cohort for name in names for r in self.records(name))
        for n, one in enumerate(names):
            for other in names[n + 1 :]:
                for a in self.records(one):
                    for b in self.records(other):
                        pair = (min(a, b), max(a, b))
                        if self.party[a] == self.party[b] and not self.repeated:
                            return False
                        if pair in self.apart or pair in self.against:
                            return False
                        asked = not anchored or self.cohort in (self.party[a], self.party[b])
                        if asked and bonds.get(pair, 0.0) < self.least(a, b) - _CLOSE:
                            return False
                        shut = self.closed.get(one, ()), self.closed.get(other, ())
                        if self.party[b] in shut[0] or self.party[a] in shut[1]:
                            return False
        return True

    def merge(self, names: Sequence[int], bonds: Mapping[Pair, float]) -> None:
        records = sorted(r for name in names for r in self.records(name))
        first = records[0]
        shut: set[int] = set()
        for name in names:
            shut |= self.closed.pop(name, set())
            self.held.pop(name, None)
        if shut:
            self.closed[first] = shut
        self.held[first] = records
        self.of.update(dict.fromkeys(records, first))
        self.bonds.update(bonds)

    def join_known(self, links: Sequence[Link]) -> None:
        """Section 5.2: labelled matches first, whatever the evidence; 5.3: unless they contradict."""
        wrong = 0
        sure = [Link(one.left, one.right, 1.0, 0.0, known=True) for one in links]
        for bundle in self.bundles(sure):
            names = sorted({self.name(r) for one in bundle for r in (one.left, one.right)})
            pairs = [(a, b) for n, a in enumerate(names) for b in names[n + 1 :]]
            twice = not self.repeated and any(self.party[a] == self.party[b] for a, b in pairs)
            if twice or any(pair in self.apart for pair in pairs):
                wrong += len(bundle)
            else:
                self.merge(names, self.bonds_of(names, bundle))
        if wrong:
            raise LinkageError(
                f"{wrong:,} pairs labelled a match contradict other labels, a do-not-link list or that "
                "records of one party are different people",
                advice="Look at these labels again; nothing was linked.",
            )
