"""What every test shares: under CI a test that skips for want of a package fails."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

CI = os.environ.get("CI", "").lower() == "true"

# A busy machine is slow, not wrong; under CI every run draws the same examples.
settings.register_profile(
    "pseudolink", deadline=None, derandomize=CI, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("pseudolink")

#: A skip whose reason begins so waits for a package or program; the reason says what to install.
NEEDS = "needs:"


def reason_of(longrepr: object) -> str:
    """The reason that a test gave for skipping."""
    text = longrepr[2] if isinstance(longrepr, tuple) else str(longrepr)
    return text.removeprefix("Skipped: ")


def refuse_missing(report: Any) -> None:
    """Turn a skip for want of a package into a failure where CI is set to true."""
    if not CI or report.outcome != "skipped":
        return
    reason = reason_of(report.longrepr)
    if reason.startswith(NEEDS):
        report.outcome = "failed"
        report.longrepr = f"skipped under CI, {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    report = yield
    refuse_missing(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, Any, Any]:
    report = yield
    refuse_missing(report)
    return report
