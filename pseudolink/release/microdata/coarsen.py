"""
Coarsening of whole columns: dates to months, numbers to bands, large numbers under one label.

Source: specs/microdata-v1.md, 2.1 and 2.2.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from pseudolink.release.microdata.rules import DROP, band_width


def coarsened(column: pa.ChunkedArray, step: str) -> pa.ChunkedArray:
    """
    A column of dates or whole numbers one step coarser, as text; missing stays missing.

    Args:
        step: month, quarter, year, band-N or drop.
    """
    if step == DROP:
        return pa.chunked_array([pa.nulls(len(column), pa.string())])
    width = band_width(step)
    if width is not None:
        low = pc.multiply(pc.floor(pc.divide(pc.cast(column, pa.float64()), float(width))), float(width))
        start = pc.cast(low, pa.int64())
        end = pc.add(start, width - 1)
        return _joined(pc.cast(start, pa.string()), "-", pc.cast(end, pa.string()))
    year = pc.cast(pc.year(column), pa.string())
    year = pc.utf8_lpad(year, 4, "0")
    if step == "year":
        return year
    if step == "quarter":
        return _joined(year, "-Q", pc.cast(pc.quarter(column), pa.string()))
    return _joined(year, "-", pc.utf8_lpad(pc.cast(pc.month(column), pa.string()), 2, "0"))


def _joined(left: pa.ChunkedArray, between: str, right: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(left, right, between)


def top_coded(column: pa.ChunkedArray, most: int, shown: pa.ChunkedArray | None = None) -> pa.ChunkedArray:
    """
    Whole numbers as text, those above ``most`` as ``most+``.

    Args:
        shown: what stands for the others, such as their bands; the numbers themselves when None.
    """
    others = pc.cast(column if shown is None else shown, pa.string())
    return pc.if_else(pc.greater(column, most), pa.scalar(f"{most}+"), others)
