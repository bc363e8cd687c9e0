"""One page of each kind, of invented figures, for whoever looks at pages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from pseudolink.formats.model import BranchShare, FieldShares, LinkageModel, PairModel, StateShare
from pseudolink.formats.summary import (
    Bin,
    CurvePoint,
    LinkageSummary,
    PairDetail,
    PairSummary,
    PartyDetail,
    PartySummary,
    PassCount,
    PassFound,
    Step,
)
from pseudolink.report import (
    attack,
    disclosure,
    evidence,
    explanation,
    linkage,
    profile,
    rates,
    review,
    tables,
)

PASSES: Final = ("nino", "dob+names.sorted", "forename.metaphone-surname.initial-dob_year_month-postcode")
_MATCHES: Final = 950.0


def linkage_summary(pairs: int = 1_000) -> LinkageSummary:
    """A linkage of two parties with a curve whose every point differs."""
    thresholds = [0.999 - 0.01 * n for n in range(90)]
    links = [8 * pairs // 10 + 2 * n for n in range(90)]
    curve = tuple(
        CurvePoint(t, 1 - 0.001 * n, 0.8 + 0.002 * n, 0.89 + 0.001 * n, links[n],
                   (0.9, 1.0), (0.7, 0.99), (0.85, 0.99))
        for n, t in enumerate(thresholds)
    )  # fmt: skip
    histogram = tuple(
        Bin(float(n), float(n + 1), 40 + n * pairs // 40, links[30] // 40 if n > 10 else 0) for n in range(40)
    )
    steps = tuple(
        Step(39.5 - 0.3 * n, ((39 - n // 3, links[0] if not n else 2),)) for n in range(len(thresholds))
    )
    found = tuple(PassFound(name, 20, 600 - 100 * n, 30 * n) for n, name in enumerate(PASSES))
    pair = PairSummary(
        left="council", right="schools", candidates=sum(b.pairs for b in histogram), links=links[30],
        ambiguous=31, threshold=thresholds[30], threshold_weight=steps[30].weight,
        expected_precision=curve[30].precision, expected_recall=curve[30].recall, expected_f1=curve[30].f1,
        expected_matches=_MATCHES, precision_interval=(0.9, 1.0), recall_interval=(0.7, 0.99),
        f1_interval=(0.85, 0.99), matches_interval=(900.0, 990.0), nobody=False, iterations=23,
        converged=True, passes=tuple((name, 700 - 50 * n) for n, name in enumerate(PASSES)),
        histogram=histogram, curve=curve, detail=PairDetail(found, steps),
    )  # fmt: skip
    detail = PartyDetail(
        ((1, 5_000), (2, 300), (3, 40), (4, 12), (5, 3)), ((0.1, 12), (0.5, 29), (0.99, 400))
    )
    counts = tuple(PassCount(name, 1_500 - 100 * n, 33, 17, 900) for n, name in enumerate(PASSES))
    council = PartySummary(
        "council", "Durham council", 2_000, 40, 13, 29, (("forename", 1_990), ("dob", 1_877)), counts, detail
    )
    schools = replace(council, party="schools", name="Schools data team")
    return LinkageSummary(
        "stronger-families", "Research on outcomes of families", "a1" * 32, "b2" * 32, "pseudolink 0.1.0",
        "2026-03-07", "local", (council, schools), (pair,), clusters=((1, 1_200), (2, 800)),
    )  # fmt: skip


def model() -> LinkageModel:
    """Two fields, one of them compared by filters, with pairs that are alike."""
    dob = FieldShares(
        "dob",
        1,
        (
            StateShare("0000000000000000", 0, 0.99, 0.05, 0.9),
            StateShare("0000000000000003", 0, 0.01, 0.95, 0.1),
        ),
    )
    forename = FieldShares(
        "forename",
        2,
        (
            StateShare("0000000000000001", 4, 0.95, 0.03, 0.5),
            StateShare("0000000000000003", 2, 0.03, 0.07, 0.3),
            StateShare("0000000000000007", 1, 0.02, 0.9, 0.2),
        ),
    )
    branch = BranchShare("straight", ("dob", "forename"), 1.0, 1.0, 1.0)
    pair = PairModel("council", "schools", 2_000, 1_800, 950.0, 0.97, 12.5, True, (dob, forename), (branch,))
    return LinkageModel(PASSES, (("forename", "0000000000000007"),), (pair,))


def _profile() -> str:
    def field(kind: str, **more: Any) -> dict[str, Any]:
        counts = {
            "kind": kind, "columns": [kind], "filled": 9_000, "valid": 8_000, "invalid": 700,
            "placeholder": 300, "missing": 1_000, "usable": 8_000, "non_ascii": 12,
            "rules": {}, "flags": {}, "distinct": 7_000, "most_common": [3, 2, 2, 1, 1],
        }  # fmt: skip
        return counts | more

    number = {"shared_rows": 4, "shared_values": 2, "most": 2, "temporary": 15, "administrative": 1}
    return profile.render(
        {
            "format": "pseudolink/profile/1", "source": "extract.csv",
            "schema": {"name": "small", "digest": "b2" * 32}, "today": "2026-03-07", "rows": 10_000,
            "versions": 10_000, "columns_unread": 1, "empty": 3,
            "equal": {"rows": 4, "groups": 2, "most": 2},
            "fields": {
                "forename": field("forename", flags={"name.placeholder": 300}),
                "dob": field("date", rules={"date.future": 700},
                             spikes={"dates": 8_000, "january_first": 925, "month_first": 1_297}),
                "postcode": field("postcode", crowded={"least": 100, "values": 1, "rows": 150}),
                "nino": field("nino", number=number, rules={"nino.prefix": 700}),
            },
            "passes": [{"name": name, "on": ["nino.stem"], "compare": [], "rows": 8_000, "company": 800 - n,
                        "largest_block": 21} for n, name in enumerate(PASSES)],
            "company": {"records": 900, "largest_component": 40, "holds": False,
                        "floor": {"company": 0.05, "component": 100}},
        }
    )  # fmt: skip


def _attack() -> str:
    figures = {"rate": 0.0012, "rate_lower": 0.0001, "rate_upper": 0.004}
    found = {"records": 800, "correct": 1, "attempts": 40, "figures": figures}
    run = {
        "conditions": "no errors",
        "result": found,
        "skipped": None,
        "bounds_beaten": False,
        "seconds": 1.5,
    }
    canary = {
        "scheme": "plain", "conditions": "no errors", "figure": "rate", "at_least": 0.5,
        "result": {"figures": {"rate": 0.9}}, "broke": True,
    }  # fmt: skip
    bound = {"words": "", "figure": "rate", "at_most": 0.01}
    return attack.render(
        {
            "verdict": "PASS", "scheme_title": "keyed passes", "schema_name": "small", "records": 800,
            "created": "2026-03-07", "reasons": ["None."], "truth_known": True, "partial": False,
            "self": True,
            "attacks": [{"number": "A1", "name": "frequency", "sentence": "Counts tokens.", "knows": "a list",
                         "assumes": ["No key."], "bounds": [bound], "runs": [run], "canaries": [canary]}],
            "not_tested": ["Collusion."], "schema": "b2" * 32, "encodings_digest": "", "seed": 7,
            "reference": {"people": 800, "rows": 800, "overlap": "1", "errors": "0", "digest": "c3" * 32},
            "software": "pseudolink 0.1.0",
        }
    )  # fmt: skip


def _evidence() -> str:
    names = ("Durham council", "Schools data team", "Linkage unit", "Research environment", "University")
    nodes = tuple(evidence.Node(column, name) for column, name in zip((0, 0, 1, 2, 3), names, strict=True))
    flows = (
        evidence.Flow(names[0], names[2], "encodings"),
        evidence.Flow(names[1], names[2], "encodings"),
        evidence.Flow(names[2], names[3], "link map"),
        evidence.Flow(names[3], names[4], "release"),
    )
    grid = evidence.Grid("What each party holds", ("party", "holds"), ((names[0], "its extract"),))
    blocks = ("It was looked at.", grid, evidence.Blank("Is it lawful?"), evidence.Picture(nodes, flows))
    return evidence.render_html("Evidence", "Of one project.", (evidence.Section("Flows", blocks),))


def _tables() -> str:
    sheet = tables.Sheet(
        "people by region",
        ("region",),
        (("a",), ("b",)),
        ((("North",), ("10", "[c]")), (("Total",), ("25", "30"))),
    )
    return tables.render([sheet], ["Counts are rounded to 5."])


def _rates() -> str:
    rows = [
        {"party": "council", "linked_with": "schools", "attribute": "sex", "group": group, "records": records,
         "linked": linked, "rate": rate}
        for group, records, linked, rate in (("F", 500, 450, 90), ("M", 480, 400, 83))
    ]  # fmt: skip
    rows.append(rows[0] | {"group": "(not told)", "records": None, "linked": None, "rate": None})
    return rates.render(
        {
            "project": "stronger-families", "created": "2026-03-07", "statement": "For reporting only.",
            "rules": {"fewest": 10, "rounded_to": 5}, "rates": rows, "agreement": "a1" * 32,
            "software": "pseudolink 0.1.0",
        }
    )  # fmt: skip


def _disclosure() -> str:
    risk = {"classes": 700, "smallest": 1, "alone": 61, "below_k": 412, "expected": 131.4,
            "household_risk": 1.0, "families_at_risk": 88}  # fmt: skip
    return disclosure.render(
        {
            "rules": {"profile": "strict", "k": 10, "quasi": ["council.arm", "council.birth_month"],
                      "sensitive": {"offending.kind": 3}, "top": {"schools.absences": 60}, "steps": {},
                      "events": [], "subgroups": [], "bands": {}},
            "columns": {"council.birth_month": {"step": "year", "suppressed": 14},
                        "schools.absences": {"step": None, "suppressed": 0, "top_coded": 31}},
            "people": 2_000, "before": risk,
            "after": risk | {"classes": 41, "smallest": 10, "alone": 0, "below_k": 0, "expected": 40.9,
                             "household_risk": 0.19, "families_at_risk": 0},
            "events": {"columns": ["schools.absences"], "unique_before": 120, "unique_after": 7},
            "further": {
                "schools.exclusions": {"rows": 310, "left_out": 2, "columns": {}, "smallest": 11},
                "offending.offences": {"withheld": "fewer than 10 people or families are in it"},
            },
        }
    )  # fmt: skip


def _review() -> str:
    head = {"format": "x", "candidates": "c3" * 32, "reviewer": "A", "pairs": 2, "seed": 5}
    rows = [
        {"left": f"{n:032x}", "right": f"{n + 9:032x}", "parties": ["council", "schools"],
         "levels": ["equal", "different", "not shown"], "passes": "2 of 3", "weight": 3.5, "probability": 0.4}
        for n in range(2)
    ]  # fmt: skip
    return review.render(head, ["forename", "dob", "postcode"], rows)


def _pair() -> str:
    steps = [("how many match", -9.5, ""), ("dob", 12.1, "equal"), ("forename", -1.5, "similar")]
    return explanation.render(model(), title="Pair 12 of 90: council and schools", steps=steps, chance=0.71)


def _broad() -> str:
    """Long names of parties and passes, and large counts."""
    plain = linkage_summary()
    one = plain.parties[0].passes[0]
    passes = tuple(
        replace(one, name=f"{'forename.metaphone-' * 2}{n:02d}", candidates=10**8) for n in range(9)
    )
    parties = tuple(
        replace(p, name=f"{p.name}, the {'Administrative' * 4} Agency", passes=passes) for p in plain.parties
    )
    pairs = tuple(replace(p, candidates=10**9, passes=(("x" * 48, 10**9),), detail=None) for p in plain.pairs)
    return linkage.render(replace(plain, project="p" * 60, parties=parties, pairs=pairs))


#: Name of a page -> what makes it.
PAGES: Final[dict[str, Callable[[], str]]] = {
    "linkage": lambda: linkage.render(linkage_summary()),
    "linkage-broad": _broad,
    "profile": _profile,
    "pair": _pair,
    "model": lambda: explanation.render(model()),
    "review": _review,
    "tables": _tables,
    "rates": _rates,
    "disclosure": _disclosure,
    "evidence": _evidence,
    "attack": _attack,
}
