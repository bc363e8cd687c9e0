"""
What a user installs with pseudolink: a bill of materials, licences, known vulnerabilities.

    python .ci/dependencies.py sbom FILE
    python .ci/dependencies.py licences
    python .ci/dependencies.py audit        skipped with a word where no index can be reached

Runtime requirements and extras are looked at, with what they need in turn, not tools of developers.
"""

from __future__ import annotations

import importlib.metadata as metadata
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

#: Licences that may be combined with Apache-2.0 in a dependency, by words that stand in them.
ALLOWED = re.compile(
    r"apache|bsd|\bmit\b|isc|mpl|mozilla|psf|python software|zlib|unlicense|public domain|0bsd|cc0",
    re.IGNORECASE,
)
REFUSED = re.compile(r"\bA?GPL|affero|proprietary", re.IGNORECASE)
#: Extras that change what a user has at work.
EXTRAS = ("", "excel", "hsm", "spark", "anonlink")
#: The yardstick alone pulls these in; their licence texts say no more than this.
KNOWN = {"clkhash": "Apache-2.0", "anonlink": "Apache-2.0"}
#: A version with weaknesses that everybody knows: an index that does not name them knows nothing.
CANARY = "jinja2==2.10"


def installed() -> dict[str, metadata.Distribution]:
    """Name -> distribution, of everything that pseudolink and its extras need and that is here."""
    found: dict[str, metadata.Distribution] = {}
    waiting = [("pseudolink", extra) for extra in EXTRAS]
    seen = set()
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # an extra that is not installed here
        if name != "pseudolink":
            found[name] = distribution
        for line in distribution.requires or []:
            needed = Requirement(line)
            if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                inner = canonicalize_name(needed.name)
                waiting += [(inner, one) for one in ("", *needed.extras)]
    return dict(sorted(found.items()))


def licence(distribution: metadata.Distribution) -> str:
    """What a package says of its licence: an expression, its classifiers, or the first line of the text."""
    about = distribution.metadata
    classifiers = [
        one.split("::")[-1].strip() for one in about.get_all("Classifier") or [] if "License" in one
    ]
    first = (about.get("License") or "").strip().splitlines()[:1]
    return about.get("License-Expression") or "; ".join(classifiers) or "".join(first)


def licences() -> int:
    """Print every licence; 1 when one is not allowed."""
    bad = []
    for name, distribution in installed().items():
        said = KNOWN.get(name) or licence(distribution)
        ours = ALLOWED.search(said) and not (REFUSED.search(said) and not re.search(r"\bOR\b", said))
        print(f"{name:<24}{distribution.version:<14}{said[:90] or 'says nothing'}")
        if not ours:
            bad.append(name)
    if bad:
        print(f"not allowed, or not said: {', '.join(bad)}", file=sys.stderr)
    return 1 if bad else 0


def _pinned() -> str:
    return "".join(f"{name}=={one.version}\n" for name, one in installed().items())


def sbom(output: Path) -> int:
    """A CycloneDX bill of materials of the versions that are installed here."""
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder, "requirements.txt")
        listed.write_text(_pinned(), encoding="utf-8")
        subprocess.run(
            [sys.executable, "-m", "cyclonedx_py", "requirements", "--output-reproducible",
             "--output-format", "JSON", "--output-file", str(output), str(listed)],
            check=True,
        )  # fmt: skip
    print(f"{len(json.loads(output.read_text(encoding='utf-8'))['components'])} components: {output}")
    return 0


def _asked(service: str, requirements: str) -> list[dict[str, Any]] | None:
    """What an index of vulnerabilities says of each requirement; None where it cannot be reached."""
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder, "requirements.txt")
        listed.write_text(requirements, encoding="utf-8")
        command = [sys.executable, "-m", "pip_audit", "--progress-spinner", "off", "--timeout", "15",
                   "--disable-pip", "--no-deps", "-s", service, "-f", "json", "-r", str(listed)]  # fmt: skip
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
            found: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
        except (subprocess.TimeoutExpired, ValueError, KeyError):
            return None
    return found


def audit() -> int:
    """Known vulnerabilities of the versions that are installed here; 1 when there is one."""
    for service in ("pypi", "osv"):
        canary = _asked(service, CANARY + "\n")
        if not canary or not canary[0].get("vulns"):
            continue  # not reached, or a mirror that answers for nothing
        found = _asked(service, _pinned())
        if found is None:
            continue
        bad = [f"{one['name']} {one['version']}: {v['id']}" for one in found for v in one.get("vulns", ())]
        unknown = [one["name"] for one in found if "skip_reason" in one]
        print(f"known vulnerabilities ({service}): {len(bad)} in {len(found)} packages")
        if unknown:
            print(f"not known to the index: {', '.join(unknown)}")
        print("\n".join(bad), end="\n" if bad else "", file=sys.stderr)
        return 1 if bad else 0
    print("known vulnerabilities: skipped, no index of them can be reached from here")
    return 0


if __name__ == "__main__":
    known = {"sbom": lambda: sbom(Path(sys.argv[2])), "licences": licences, "audit": audit}
    raise SystemExit(known[sys.argv[1]]())
