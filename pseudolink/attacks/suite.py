"""
The audit: every attack on the scheme under audit, and every canary on the same reference.

- PASS: every bound held, every canary that could run broke, shuffled truth stayed at chance.
- FAIL: an attack beat a bound.
- INVALID: the attacks are not shown to work here (a canary held, or none could run), truth leaked
  into an experiment, or nothing could be scored. INVALID is never PASS, whatever else was found.

Source: specs/attacks-v1.md, sections 4 and 5.
"""

from __future__ import annotations

import secrets
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from pseudolink.attacks import registry
from pseudolink.attacks.attack import Attack, Bound, Guesses, Setting, Target, Wanted
from pseudolink.attacks.laboratory import PROJECT, Laboratory
from pseudolink.attacks.scheme import Scheme
from pseudolink.attacks.scoring import Score, score
from pseudolink.errors import UsageError
from pseudolink.formats.cleaned import Cleaned
from pseudolink.schema import LinkageSchema

PASS, FAIL, INVALID = "PASS", "FAIL", "INVALID"
#: ``report(stage, done, total)``.
Report = Callable[[str, int, int], None]

#: Why an attack that encodes more under the key is left out where the key is somebody else's.
NO_KEY: Final = "needs the key to set the experiment up"
NOT_TESTED: Final = (
    "attacks with deep learning",
    "tokens of a higher order: combinations of blocks of more than one party at a time",
    "someone who holds the encodings and the linkage key: no encoding helps against that",
    "more records than the numbers stated: success grows with them",
    "attacks that nobody has published or thought of",
)


@dataclass(frozen=True)
class Run:
    """
    One experiment: an attack on a scheme under a setting.

    result: figures, or None with the reason in ``skipped``. broken: bounds that it beat.
    """

    attack: Attack
    scheme: str
    setting: Setting
    result: Score | None
    seconds: float
    seed: int
    skipped: str = ""
    broken: Sequence[Bound] = ()

    def to_json(self) -> dict[str, Any]:
        """The experiment as data."""
        return {
            "attack": self.attack.number,
            "name": self.attack.name,
            "scheme": self.scheme,
            "setting": self.setting.to_json(),
            "conditions": self.setting.label(),
            "result": None if self.result is None else self.result.to_json(),
            "skipped": self.skipped,
            "seconds": round(self.seconds, 3),
            "seed": self.seed,
            "bounds_beaten": [
                {"figure": one.figure, "at_most": one.at_most, "words": one.words} for one in self.broken
            ],
        }


@dataclass(frozen=True)
class Trial:
    """A canary: the scheme that must break, and whether it did."""

    run: Run
    figure: str
    at_least: float
    broke: bool | None

    def to_json(self) -> dict[str, Any]:
        """The canary as data; ``broke`` is null where it could not run."""
        return {
            **self.run.to_json(),
            "figure": self.figure,
            "at_least": self.at_least,
            "broke": self.broke,
        }


@dataclass(frozen=True)
class Audit:
    """The verdict, why, and all experiments."""

    verdict: str
    reasons: Sequence[str]
    runs: Sequence[Run]
    canaries: Sequence[Trial]


def _quiet(stage: str, done: int, total: int) -> None:
    return None


def audit(
    lab: Laboratory,
    wanted: Wanted,
    *,
    attacks: Iterable[Attack] | None = None,
    report: Report = _quiet,
) -> Audit:
    """
    Run every attack on the laboratory's scheme, and every canary on its population.

    Args:
        attacks: some of them only; all that there are when None.

    Returns:
        The audit. Same laboratory, secret and seed, same figures.
    """
    chosen = registry.attacks() if attacks is None else tuple(attacks)
    canaries = [(one, canary) for one in chosen for canary in one.canaries if wanted.full or not canary.full]
    settings = [(one, setting) for one in chosen for setting in one.settings(wanted)]
    total = len(canaries) + len(settings)
    trials = []
    for done, (one, canary) in enumerate(canaries):
        report(f"canary {one.number} {canary.scheme}", done, total)
        trials.append(_trial(one, canary, lab, wanted))
    runs = []
    for done, (one, setting) in enumerate(settings, len(canaries)):
        report(f"attack {one.number}", done, total)
        runs.append(run(one, lab, setting, wanted.seed))
    report("audit", total, total)
    verdict, reasons = judge(chosen, runs, trials)
    return Audit(verdict, reasons, runs, trials)


def _trial(one: Attack, canary: Any, lab: Laboratory, wanted: Wanted) -> Trial:
    people = len(np.unique(lab.population.source))
    scheme = registry.scheme(canary.scheme)
    if people < canary.needs:
        reason = f"needs {canary.needs:,} people in the reference, which has {people:,}"
        skipped = Run(one, scheme.name, canary.setting, None, 0.0, wanted.seed, reason)
        return Trial(skipped, canary.figure, canary.at_least, None)
    # The canary's key is its own: nothing of it is secret, and experiments repeat.
    secret = np.random.default_rng(wanted.seed).bytes(32)
    place = Laboratory(lab.population, lab.schema, scheme, secret)
    found = run(one, place, canary.setting, wanted.seed, bounds=())
    if found.result is None:
        return Trial(found, canary.figure, canary.at_least, None)
    reached = found.result.figures.get(canary.figure)
    return Trial(found, canary.figure, canary.at_least, reached is not None and reached >= canary.at_least)


def run(
    one: Attack, lab: Laboratory, setting: Setting, seed: int, *, bounds: Sequence[Bound] | None = None
) -> Run:
    """
    Run one attack under one setting, and score it.

    The attack gets a generator and the material. The scorer gets the truth.
    """
    begin = time.perf_counter()
    # Every experiment draws for itself: leaving one out changes no other.
    label = f"{one.number} {lab.scheme.name} {setting.label()}"
    rng = np.random.default_rng([seed, zlib.crc32(label.encode())])

    def ended(result: Score | None, skipped: str = "", broken: Sequence[Bound] = ()) -> Run:
        return Run(one, lab.scheme.name, setting, result, time.perf_counter() - begin, seed, skipped, broken)

    reason = _cannot(one, lab, setting)
    if reason:
        return ended(None, reason)
    try:
        target = (one.stage or Laboratory.target)(lab, setting, rng)
    except UsageError as error:
        if lab.supplied is None:
            raise
        return ended(None, f"{NO_KEY} ({error.message})")
    if not one.applies(target.material.view):
        return ended(None, "does not apply to these encodings")
    attacker, scorer = rng.spawn(2)
    found = one.guess(target.material, attacker)
    if not isinstance(found, Guesses):
        result = Score(0, 0, 0, dict(found.figures), dict(found.notes))
    elif target.truth is None:
        return ended(_unscored(target, found), "nobody knows the truth: guesses could not be scored")
    else:
        result = score(target, found, scorer)
    wanted = one.bounds if bounds is None else bounds
    broken = [b for b in wanted if result.figures.get(b.figure, 0.0) > b.at_most]
    return ended(result, "", broken)


def _unscored(target: Target, found: Guesses) -> Score:
    return Score(0, int(((found.best >= 0) & target.scored).sum()), 0, {}, dict(found.notes))


def _cannot(one: Attack, lab: Laboratory, setting: Setting) -> str:
    people = len(np.unique(lab.population.source))
    if lab.supplied is None:
        if setting.records is not None and setting.records * (2 - setting.overlap) > people:
            return f"needs {round(setting.records * (2 - setting.overlap)):,} people; there are {people:,}"
        if setting.known * 2 > people * setting.overlap / (2 - setting.overlap):
            return f"{setting.known:,} known pairs would be more than half of the people"
        return ""
    view, truth = lab.supplied
    there = 0 if truth is None else int((truth >= 0).sum())
    if setting.known * 2 > there:
        return f"{setting.known:,} known pairs need twice as many records of known truth"
    if setting.overlap < 1:
        return "the overlap of encodings that came as files is what it is"
    if setting.records is not None and setting.records > view.rows:
        return f"needs {setting.records:,} records; there are {view.rows:,}"
    return ""


def judge(attacks: Sequence[Attack], runs: Sequence[Run], trials: Sequence[Trial]) -> tuple[str, list[str]]:
    """The verdict and its reasons, in one sentence each; see the head of this module."""
    invalid, failed = [], []
    for trial in trials:
        if trial.broke is False:
            invalid.append(
                f"{trial.run.attack.number} did not break {trial.run.scheme} ({trial.run.setting.label()})"
            )
    for one in attacks:
        # Attacks of one number are one method under other conditions: a canary of any shows that it works.
        mine = [trial for trial in trials if trial.run.attack.number == one.number]
        if one.bounds and not any(trial.broke is not None for trial in mine):
            invalid.append(f"{one.number}: none of its canaries could run on this reference")
        done = [found for found in runs if found.attack is one]
        measured = [found for found in done if found.result is not None and not found.skipped]
        invalid += [
            f"{found.attack.number}: {bound.figure} was not measured"
            for found in measured
            for bound in one.bounds
            if found.result is not None and bound.figure not in found.result.figures
        ]
        if one.bounds and not measured and not all(found.skipped.startswith(NO_KEY) for found in done):
            reason = done[0].skipped if done else "no setting"
            invalid.append(f"{one.number}, {one.name}: not measured on these encodings ({reason})")
    for found in (*runs, *(trial.run for trial in trials)):
        if found.result is not None and not found.result.lucky:
            invalid.append(f"{found.attack.number} on {found.scheme}: shuffled truth is above chance")
    for found in runs:
        for bound in found.broken:
            assert found.result is not None  # noqa: S101 (a bound is beaten by a figure)
            reached = found.result.figures[bound.figure]
            failed.append(
                f"{found.attack.number} ({found.setting.label()}): {bound.figure} {reached:.4g}, "
                f"at most {bound.at_most:g} allowed"
            )
    if not any(found.result is not None and not found.skipped for found in runs):
        invalid.append("no attack could be measured on these encodings")
    if invalid:
        return INVALID, [*dict.fromkeys(invalid), *failed]
    return (FAIL, failed) if failed else (PASS, [])


def self_laboratory(
    population: Cleaned, schema: LinkageSchema, scheme: Scheme, project: str = PROJECT
) -> Laboratory:
    """The worst case: the reference is the extract, encoded here with a key that nobody keeps."""
    return Laboratory(population, schema, scheme, secrets.token_bytes(32), project)
