"""P8: destroyed after five years."""

from __future__ import annotations

import shutil
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from parties_in_memory import agreed, manifest_of, raw_agreement
from project_on_disk import OPERATOR, Project, run

from pseudolink.agreement import load_agreement, parse_agreement
from pseudolink.agreement_rules import last_day
from pseudolink.errors import AgreementError, AgreementExpiredError, KeyDestroyedError
from pseudolink.keys.party import PartyKey
from pseudolink.roles.expiry import destroy, listed
from pseudolink.seal import rules


@given(starts=st.dates(date(2020, 1, 1), date(2090, 1, 1)), over=st.integers(1, 3000))
def test_no_agreement_keeps_anything_longer(starts: date, over: int) -> None:
    end = last_day(starts)
    parse_agreement(raw_agreement(starts=starts, expires=end, reviews=[]))
    with pytest.raises(AgreementError):
        parse_agreement(raw_agreement(starts=starts, expires=end + timedelta(days=over), reviews=[]))


@given(day=st.dates(date(2031, 4, 1), date(2080, 1, 1)))
def test_afterwards_nothing_opens(day: date) -> None:
    agreement = agreed()
    for artefact in ("encodings", "payload", "link_map", "release", "withdrawal", "records"):
        with pytest.raises(AgreementExpiredError):
            rules.require_today(manifest_of(agreement, artefact), agreement, day)


def test_what_is_past_its_date_is_found_destroyed_and_certified(project: Project, tmp_path: Path) -> None:
    """And after that the operator's packages are noise to everybody, with a code that says why."""
    shutil.copytree(project.folder, tmp_path / "demo")
    here = Project(tmp_path / "demo", project.result)
    unit = here.folder / OPERATOR
    shutil.copy2(here.agreement, unit)
    key, agreement = here.party_key(OPERATOR), load_agreement(here.agreement)
    later = agreement.expires + timedelta(days=1)
    assert not [one for one in listed(unit, agreement.expires) if one.past]
    destroy(unit, key, ledger=unit / "ledger.jsonl", agreement=agreement.digest, today=later)
    with pytest.raises(KeyDestroyedError):
        PartyKey.load(here.keys(OPERATOR) / f"{OPERATOR}.party.key", here.phrase(OPERATOR))
    shown = run(
        "keys",
        "certificate",
        here.keys(OPERATOR) / f"{OPERATOR}.party.key.destroyed.json",
        "--agreement",
        here.agreement,
    )
    assert shown.exit_code == 0
    assert "not covered" in shown.stdout
