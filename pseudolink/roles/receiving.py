"""
Withdrawals at those who hold the records: opened, and the records dropped.

Source: specs/objections-v1.md, section 5.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pseudolink.agreement import Agreement
from pseudolink.formats import withdrawal as withdrawals
from pseudolink.keys.party import PartyKey
from pseudolink.roles.exchange import Exchange
from pseudolink.seal.package import unseal


def receive(
    packages: Sequence[Path], agreed: Agreement, key: PartyKey, exchange: Exchange, folder: Path, today: date
) -> dict[str, frozenset[bytes]]:
    """
    Open withdrawals as one of those who hold the records.

    Args:
        folder: where each is opened, inside the output; nothing stays there.

    Returns:
        sender -> record IDs to drop; most of them are nobody's.
    """
    found: dict[str, frozenset[bytes]] = {}
    for package in packages:
        with tempfile.TemporaryDirectory(dir=folder, prefix="withdrawal-") as name:
            plain = Path(name) / "opened.parquet"
            opened = unseal(
                package, plain, agreement=agreed, recipient=key, artefact="withdrawal", today=today
            )
            manifest = opened.manifest
            exchange.withdrawn(manifest, opened.digest)
            found[manifest.sender] = found.get(manifest.sender, frozenset()) | withdrawals.load(plain)
    return found


def dropped_from_map(link_map: pa.Table, gone: Mapping[str, frozenset[bytes]], cohort: str) -> pa.Table:
    """
    A link map without withdrawn records; a person whose cohort record is gone is gone altogether.
    """
    party, record = link_map.column("party"), link_map.column("record")
    out = np.zeros(link_map.num_rows, dtype=bool)
    for sender, ids in gone.items():
        mine = pc.and_(pc.equal(party, sender), pc.is_in(record, value_set=_set(ids)))
        out |= mine.to_numpy(zero_copy_only=False)
    of_cohort = out & pc.equal(party, cohort).to_numpy(zero_copy_only=False)
    people = link_map.filter(pa.array(of_cohort)).column("person").combine_chunks()
    out |= pc.is_in(link_map.column("person"), value_set=people).to_numpy(zero_copy_only=False)
    return link_map.filter(pa.array(~out))


def dropped(table: pa.Table, ids: frozenset[bytes]) -> pa.Table:
    """A payload without withdrawn records."""
    return table.filter(pc.invert(pc.is_in(table.column("record"), value_set=_set(ids))))


def staying(records: npt.NDArray[np.uint8], ids: frozenset[bytes]) -> npt.NDArray[np.int64]:
    """Rows of encodings, (n, 16) record IDs, that are not withdrawn."""
    return np.asarray([at for at, one in enumerate(records) if one.tobytes() not in ids], dtype=np.int64)


def _set(ids: frozenset[bytes]) -> Any:
    return pa.array(sorted(ids), pa.binary(16))
