"""From links to people: the link map that the operator seals to the releaser."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from pseudolink.formats import linkmap
from pseudolink.formats.encodings import fixed_column
from pseudolink.match.compare import first_rows
from pseudolink.roles.linkage import PairLinkage

_ID_BYTES = 16


def link_map(linkages: Sequence[PairLinkage]) -> pa.Table:
    """
    Every record of the cohort as a person, and the other parties' records that are linked to one.

    Records of other parties that are linked to nobody are left out: nothing is said of them.
    Person IDs are random and new for every linkage; the rows are in random order.
    """
    cohort = linkages[0].left
    # By row, so that a record's first row is its number; further versions are nobody of their own.
    people = np.frombuffer(secrets.token_bytes(_ID_BYTES * cohort.encodings.rows), dtype=np.uint8)
    people = people.reshape(-1, _ID_BYTES)
    first = first_rows(cohort.encodings)
    own = np.arange(cohort.encodings.rows) if first is None else np.unique(first)
    parties = [cohort.party] * len(own)
    records, persons = [cohort.encodings.records[own]], [people[own]]
    bands = [np.zeros(len(own), dtype=np.int16)]
    for one in linkages:
        pairs, weight = one.scored.candidates, one.scored.weight[one.accepted]
        parties += [one.right.party] * len(one.accepted)
        records.append(one.right.encodings.records[pairs.right[one.accepted]])
        persons.append(people[pairs.left[one.accepted]])
        bands.append((np.floor(weight / linkmap.BAND_BITS) * linkmap.BAND_BITS).astype(np.int16))
    count = len(parties)
    table = pa.table(
        {
            "party": pa.array(parties, pa.string()),
            "record": fixed_column(np.concatenate(records)),
            "person": fixed_column(np.concatenate(persons)),
            "family": pa.nulls(count, pa.binary(16)),
            "band": pa.array(np.concatenate(bands)),
        },
        schema=linkmap.SCHEMA,
    )
    order = np.argsort(np.frombuffer(secrets.token_bytes(8 * count), dtype=np.uint64), kind="stable")
    return table.take(pa.array(order))
