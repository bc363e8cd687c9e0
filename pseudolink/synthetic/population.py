"""
A synthetic population of Durham and Stockton and what four agencies hold of it.

For demonstrations and tests: no real person is in it, and every extract is wrong in the ways in
which real ones are. The truth (who is who) is kept beside the extracts and never in one.

Source: specs/synthetic.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from pseudolink.errors import UsageError
from pseudolink.files import new_file
from pseudolink.synthetic import extracts
from pseudolink.synthetic.people import make
from pseudolink.synthetic.streams import Numbers, stream

COHORT: Final = "council"
PARTIES: Final = ("council", "schools", "work", "offending")
KEYS: Final[Mapping[str, tuple[str, ...]]] = {COHORT: ("programme_id", "family_id")}
IDENTIFIERS: Final[Mapping[str, tuple[str, ...]]] = {
    "council": ("forename", "surname", "dob", "sex", "postcode", "nino", "upn"),
    "schools": ("upn", "forename", "surname", "dob", "sex", "postcode"),
    "work": ("nino", "forename", "surname", "dob", "postcode"),
    "offending": ("forename", "surname", "dob", "postcode"),
}
ATTRIBUTES: Final[Mapping[str, tuple[str, ...]]] = {
    "council": ("programme_start", "programme_end", "arm"),
    "schools": ("attendance", "exclusions"),
    "work": ("earnings_band", "employed"),
    "offending": ("offences", "offence_year"),
}
EXTRACT_FILE: Final = "extract.csv"
OBJECTIONS_FILE: Final = "objections.csv"

LEAST: Final = 50
MOST: Final = 2_000_000
COHORT_SHARE: Final = 0.4
OBJECTION_SHARE: Final = 0.01


@dataclass(frozen=True)
class Population:
    """
    Extracts of one population, the truth about them, and who objects.

    extracts: party -> table with its IDENTIFIERS, KEYS and ATTRIBUTES as columns.
    truth: party -> (rows,) int64, the number of the person behind every row of its extract.
    objections: programme IDs of the people of the cohort who object to being linked.
    """

    extracts: Mapping[str, pd.DataFrame]
    truth: Mapping[str, Numbers]
    objections: tuple[str, ...]


def generate(people: int, seed: int) -> Population:
    """
    Make a population of ``people`` people; a seed makes the same one on every machine with the
    same versions of Faker and numpy.

    Raises:
        UsageError: fewer than 50 or more than 2,000,000 people; a negative seed.

    Source: specs/synthetic.md.
    """
    if not LEAST <= people <= MOST:
        raise UsageError(f"the number of people is outside {LEAST:,} to {MOST:,}")
    if seed < 0:
        raise UsageError("the seed is negative", advice="Give a whole number of 0 or more.")
    everyone = make(people, seed)
    choose = stream(seed, 2)
    cohort = extracts.choose_cohort(everyone, COHORT_SHARE, choose)
    present = {
        "council": cohort,
        "schools": extracts.choose_schools(everyone, choose),
        "work": extracts.choose_work(everyone, choose),
        "offending": extracts.choose_offending(everyone, cohort, choose),
    }
    tables: dict[str, pd.DataFrame] = {}
    truth: dict[str, Numbers] = {}
    for index, party in enumerate(PARTIES):
        rng = stream(seed, 3, index)
        rows = rng.permutation(np.flatnonzero(present[party]))
        columns = dict(extracts.identify(everyone, rows, extracts.RATES[party], rng))
        if party == COHORT:
            columns |= extracts.programme(everyone, rows, rng)
        elif party == "schools":
            columns |= extracts.schooling(len(rows), rng)
        elif party == "work":
            columns |= extracts.working(everyone, rows, rng)
        else:
            columns |= extracts.offences(len(rows), rng)
        order = (*IDENTIFIERS[party], *KEYS.get(party, ()), *ATTRIBUTES[party])
        tables[party] = pd.DataFrame({name: columns[name] for name in order})
        truth[party] = rows.astype(np.int64)
    ids = tables[COHORT]["programme_id"].to_numpy(dtype=object)
    count = max(1, round(OBJECTION_SHARE * len(ids)))
    objecting = stream(seed, 4).choice(len(ids), size=count, replace=False)
    return Population(tables, truth, tuple(sorted(str(ids[row]) for row in objecting)))


def write(population: Population, folder: Path) -> dict[str, Path]:
    """
    Write each agency's extract into its own folder, ``<folder>/<party>/extract.csv``, and the
    cohort's objections beside its extract as ``objections.csv`` (programme IDs, one a line, no
    heading). The truth is not written.

    Returns: party -> path of its extract.

    Raises:
        OutputExistsError: one of the files is there already; none is written.
        OutputError: the system refused to write; none is left.
    """
    paths = {party: Path(folder) / party / EXTRACT_FILE for party in population.extracts}
    objections = Path(folder) / COHORT / OBJECTIONS_FILE
    # Every file is complete under a temporary name before the first one gets its own.
    with ExitStack() as stack:
        temporary = {party: stack.enter_context(new_file(path)) for party, path in paths.items()}
        listed = stack.enter_context(new_file(objections))
        for party, table in population.extracts.items():
            table.to_csv(temporary[party], index=False, encoding="utf-8", lineterminator="\n")
        lines = "".join(f"{programme_id}\n" for programme_id in population.objections)
        listed.write_text(lines, encoding="utf-8", newline="\n")
    return paths
