"""
Tables of a release as files: Parquet with labels, and CSV.

Source: specs/release-v1.md, 4.1 and 4.5.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from pseudolink.release import r_metadata

LABEL: Final = b"label"
R: Final = b"r"


def write(table: pa.Table, folder: Path, name: str, labels: Mapping[str, str]) -> list[str]:
    """
    Write ``NAME.parquet`` and ``NAME.csv``.

    Args:
        labels: of every column; a Parquet reader finds them as metadata of the column, and R's arrow
            as its attribute ``label``.

    Returns:
        the names of the files.
    """
    fields = [
        pa.field(f.name, f.type, f.nullable, {LABEL: labels.get(f.name, "").encode()}) for f in table.schema
    ]
    said = {R: r_metadata.labels({f.name: labels.get(f.name) or None for f in table.schema})}
    labelled = table.cast(pa.schema(fields, said))
    pq.write_table(labelled, folder / f"{name}.parquet", compression="zstd")
    pa.csv.write_csv(table, folder / f"{name}.csv")
    return [f"{name}.parquet", f"{name}.csv"]
