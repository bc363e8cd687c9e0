"""
What lies in the folders of a project, found by what files are and not by what they are called.

Nothing is opened: no passphrase, no private key, no package. Links to elsewhere are not followed.

Source: specs/keys-v1.md, section 8.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from pseudolink.agreement import Agreement, parse_agreement
from pseudolink.errors import PseudolinkError
from pseudolink.formats.manifest import Manifest, is_date
from pseudolink.formats.receipt import Receipt
from pseudolink.formats.released import DESCRIPTION
from pseudolink.keys import certificate, places, vault
from pseudolink.keys.certificate import Certificate
from pseudolink.ledger import chain
from pseudolink.seal.envelope import MAGIC, read_parts
from pseudolink.seal.package import file_digest

#: What passphrase files tend to be called; nothing else tells them from other text.
PASSPHRASE_NAMES = ("passphrase", "passphrase.txt", "pass", "password", "password.txt")
_SMALL = 1024 * 1024


@dataclass(frozen=True)
class KeyFound:
    """
    A key in a file or a token, with what can be known of it without a passphrase.

    place: ``file`` or ``token``. readers: who can read the file, in words. owner: a user's number.
    """

    path: Path
    root: Path
    purpose: str
    fingerprint: str | None
    party: str | None
    created: str | None
    place: str
    protection: str
    weak: bool
    readers: str
    exposed: bool
    owner: int | None
    repository: str | None
    sha256: str | None


@dataclass
class Inventory:
    """Everything that was found, each list in the order of paths."""

    roots: tuple[Path, ...]
    keys: list[KeyFound] = field(default_factory=list)
    packages: list[tuple[Path, Manifest, str]] = field(default_factory=list)
    agreements: list[tuple[Path, Agreement]] = field(default_factory=list)
    ledgers: list[tuple[Path, list[Receipt]]] = field(default_factory=list)
    broken: list[tuple[Path, str]] = field(default_factory=list)
    certificates: list[tuple[Path, Certificate]] = field(default_factory=list)
    releases: list[tuple[Path, Mapping[str, Any]]] = field(default_factory=list)
    passphrases: list[tuple[Path, str, bool]] = field(default_factory=list)

    def shown(self, path: Path) -> str:
        """A path as the reader of the report finds it."""
        for root in self.roots:
            if path.is_relative_to(root):
                inside = path.relative_to(root)
                return (Path(root.name) / inside).as_posix() if len(self.roots) > 1 else inside.as_posix()
        return path.name


def scan(folders: Sequence[Path]) -> Inventory:
    """Find keys, packages, agreements, ledgers, certificates, releases and passphrase files."""
    found = Inventory(tuple(Path(one) for one in folders))
    for root in found.roots:
        for path in _files(root):
            _look(found, path, root)
    return found


def _files(root: Path) -> Iterator[Path]:
    for folder, names, files in os.walk(root, followlinks=False):
        names[:] = sorted(name for name in names if name != ".git")
        for name in sorted(files):
            path = Path(folder) / name
            if path.is_file() and not path.is_symlink():
                yield path


def _look(found: Inventory, path: Path, root: Path) -> None:
    try:
        with path.open("rb") as stream:
            start = stream.read(4096)
            status = os.fstat(stream.fileno())
    except OSError as error:
        found.broken.append((path, error.strerror or "cannot be read"))
        return
    if start.startswith(MAGIC):
        _package(found, path)
    elif status.st_size > _SMALL and path.suffix != ".jsonl":
        return
    elif b'"pseudolink/key/1"' in start:
        _key(found, path, root, status)
    elif b'"' + certificate.FORMAT.encode() + b'"' in path.read_bytes():
        try:
            found.certificates.append((path, certificate.read(path)))
        except PseudolinkError as error:
            found.broken.append((path, error.message))
    elif b'"pseudolink/receipt/1"' in start:
        try:
            found.ledgers.append((path, chain.read(path)))
        except PseudolinkError as error:
            found.broken.append((path, error.message))
    elif path.suffix == ".toml" or b'"pseudolink/token-key/1"' in start:
        _toml(found, path, root, status)
    elif path.name == DESCRIPTION:
        _release(found, path)
    elif path.name.casefold() in PASSPHRASE_NAMES and status.st_size <= vault.LONGEST_PASSPHRASE * 4:
        found.passphrases.append((path, places.readers(status.st_mode), _exposed(status)))


def _exposed(status: os.stat_result) -> bool:
    return os.name == "posix" and bool(status.st_mode & 0o077)


def _key(found: Inventory, path: Path, root: Path, status: os.stat_result) -> None:
    what = vault.look(path)
    if what is None:
        found.broken.append((path, "not a pseudolink key file, or a damaged one"))
        return
    kdf = what["kdf"]
    protection = f"argon2id, {kdf['iterations']} x {kdf['memory'] // 1024} MiB, {kdf['lanes']} lanes"
    repository = places.repository_of(path)
    found.keys.append(
        KeyFound(
            path, root, what["purpose"], what["fingerprint"], what["party"], what["created"], "file",
            protection, vault.below_cost(kdf), places.readers(status.st_mode), _exposed(status),
            status.st_uid if os.name == "posix" else None,
            repository.name if repository else None, what["sha256"],
        )
    )  # fmt: skip


def _package(found: Inventory, path: Path) -> None:
    try:
        with path.open("rb") as stream:
            header, _ = read_parts(stream)
        found.packages.append((path, header.manifest, file_digest(path)))
    except PseudolinkError as error:
        found.broken.append((path, error.message.splitlines()[0]))


def _toml(found: Inventory, path: Path, root: Path, status: os.stat_result) -> None:
    try:
        raw = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError):
        return
    if raw.get("format") == "pseudolink/agreement/1":
        try:
            found.agreements.append((path, parse_agreement(raw, source=path.name)))
        except PseudolinkError as error:
            found.broken.append((path, error.message.splitlines()[0]))
    elif raw.get("format") == "pseudolink/token-key/1":
        text = {
            key: raw.get(key) if isinstance(raw.get(key), str) else None for key in ("fingerprint", "created")
        }
        found.keys.append(
            KeyFound(
                path, root, "linkage", text["fingerprint"], None, text["created"], "token",
                "in a token (PKCS#11), not readable", False, places.readers(status.st_mode), False,
                status.st_uid if os.name == "posix" else None, None, None,
            )
        )  # fmt: skip


def _release(found: Inventory, path: Path) -> None:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError):
        return
    if isinstance(raw, dict) and raw.get("format") == "pseudolink/release/1" and is_date(raw.get("expires")):
        found.releases.append((path, raw))


def place_of(found: Inventory, path: Path) -> Path:
    """
    The folder that one party works in: a folder that was named, or one directly in it when keys of
    several parties lie below.
    """
    root = next(one for one in found.roots if path.is_relative_to(one))
    parties = {key.party for key in found.keys if key.root == root and key.purpose == "party"}
    inside = path.relative_to(root)
    return root / inside.parts[0] if len(parties) > 1 and len(inside.parts) > 1 else root


def age_in_days(created: str | None, today: date | None = None) -> int | None:
    """Days since a key was made, where its file says so."""
    if created is None or not is_date(created):
        return None
    return ((today or datetime.now(UTC).date()) - date.fromisoformat(created)).days
