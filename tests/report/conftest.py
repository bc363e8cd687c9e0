"""A summary with numbers that all differ, so that each can be looked for in the page."""

from __future__ import annotations

import pytest

from pseudolink.formats.summary import Bin, CurvePoint, LinkageSummary, PairSummary, PartySummary, PassCount


@pytest.fixture
def summary() -> LinkageSummary:
    council = PartySummary(
        party="council",
        name="Durham council",
        rows=20_131,
        company=417,
        largest_component=13,
        unlinkable=29,
        coverage=(("forename", 20_117), ("dob", 19_877)),
        passes=(PassCount("nino", 15_551, 331, 17, 8_123), PassCount("dob+names.sorted", 19_333, 7, 2, 9)),
    )
    schools = PartySummary(
        party="schools",
        name="Schools",
        rows=9_613,
        company=0,
        largest_component=1,
        unlinkable=0,
        coverage=(("upn", 9_559),),
        passes=(PassCount("upn", 9_541, 0, 1, 7_919),),
    )
    pair = PairSummary(
        left="council",
        right="schools",
        candidates=8_641,
        links=7_877,
        ambiguous=31,
        threshold=0.4219,
        threshold_weight=3.87,
        expected_precision=0.9987,
        expected_recall=0.9743,
        expected_f1=0.9863,
        expected_matches=8_069.27,
        precision_interval=(0.9979, 0.9994),
        recall_interval=(0.9702, 0.9789),
        f1_interval=(0.9841, 0.9891),
        matches_interval=(8_041.13, 8_117.61),
        nobody=False,
        iterations=23,
        converged=True,
        passes=(("nino", 5_413), ("dob+names.sorted", 4)),
        histogram=(Bin(-12.25, -3.5, 653, 0), Bin(-3.5, 4.75, 111, 53), Bin(4.75, 31.5, 7_877, 7_824)),
        curve=(
            CurvePoint(
                0.0125, 0.9712, 0.9931, 0.9821, 8_011, (0.9691, 0.9744), (0.9911, 0.9947), (0.9803, 0.9844)
            ),
            CurvePoint(
                0.5, 0.9989, 0.9731, 0.9858, 7_853, (0.9981, 0.9996), (0.9701, 0.9778), (0.9838, 0.9886)
            ),
            CurvePoint(
                0.9975, 0.9999, 0.9117, 0.9538, 7_321, (0.9997, 1.0), (0.9077, 0.9178), (0.9515, 0.9571)
            ),
        ),
    )
    return LinkageSummary(
        project="stronger-families",
        purpose="Research on outcomes of families",
        agreement="a1" * 32,
        schema="b2" * 32,
        software="pseudolink 0.1.0",
        created="2026-03-07",
        engine="local, 2 processes",
        parties=(council, schools),
        pairs=(pair,),
    )
