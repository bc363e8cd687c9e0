"""
Certificates of destruction: which keys a party destroyed, and what that cannot cover.

A certificate stands where the key was, as ``<key file>.destroyed.json``. It is signed by the party,
by the very key that it says is destroyed where that is the party's own.

Source: specs/keys-v1.md, section 7.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pseudolink.errors import ArtefactError, KeyFileError, SignatureError
from pseudolink.formats import canonical
from pseudolink.formats.binary import decode64, encode64, is_digest

FORMAT: Final = "pseudolink/destruction/1"
SUFFIX: Final = ".destroyed.json"
LARGEST = 256 * 1024
IN_FILE: Final = "file"
IN_TOKEN: Final = "token"  # noqa: S105 - a place, no secret

#: What no program can destroy, in the words that people sign.
NOT_COVERED: Final = (
    "copies of the key file made by people, in backups, snapshots and synchronised folders",
    "remains on solid-state disks and in journals, which keep what is overwritten",
    "memory, swap and crash dumps of machines where the key was used",
    "artefacts that were opened while the key existed, and copies of them",
    "the copies of a linkage key that the other custodians hold, each to be destroyed by its holder",
)


@dataclass(frozen=True)
class Destroyed:
    """
    One key that is gone.

    place: ``file`` or ``token``. sha256: of the key file as it was; None in a token.
    """

    name: str
    purpose: str
    fingerprint: str | None
    sha256: str | None
    place: str = IN_FILE


@dataclass(frozen=True)
class Certificate:
    """A certificate whose form was read; the signature is checked with :meth:`verify`."""

    party: str
    agreement: str | None
    time: str
    destroyed: tuple[Destroyed, ...]
    not_covered: tuple[str, ...]
    signature: bytes

    def unsigned(self) -> dict[str, Any]:
        """Everything but the signature, as it is written."""
        return {
            "format": FORMAT,
            "party": self.party,
            "agreement": self.agreement,
            "time": self.time,
            "destroyed": [vars(one) for one in self.destroyed],
            "not_covered": list(self.not_covered),
        }

    def message(self) -> bytes:
        """What the party signs."""
        return FORMAT.encode() + b"\x00" + canonical.dumps(self.unsigned())

    def to_bytes(self) -> bytes:
        """The file."""
        return canonical.dumps({**self.unsigned(), "signature": encode64(self.signature)}) + b"\n"

    def verify(self, publics: Mapping[str, str]) -> None:
        """
        Check the signature.

        Args:
            publics: party id -> public signing key in base64.

        Raises:
            SignatureError: another party's, or changed since.
        """
        from pseudolink.keys.party import verify  # a party's keys are kept in the vault, which asks here

        if self.party not in publics:
            raise SignatureError(f"{self.party!r} is not a party whose key is known here")
        verify(publics[self.party], self.message(), self.signature)


def read(path: Path) -> Certificate:
    """
    Read a certificate; the signature is not looked at.

    Raises:
        KeyFileError: not one.
    """
    path = Path(path)
    wrong = KeyFileError(f"{path.name}: not a certificate of destruction")
    try:
        with path.open("rb") as stream:
            data = stream.read(LARGEST + 1)
        raw = canonical.loads(data.removesuffix(b"\n")) if len(data) <= LARGEST else None
        names = {"format", "party", "agreement", "time", "destroyed", "not_covered", "signature"}
        if not isinstance(raw, dict) or set(raw) != names or raw["format"] != FORMAT:
            raise wrong
        destroyed = tuple(Destroyed(**one) for one in raw["destroyed"])
        fits = all(one.sha256 is None or is_digest(one.sha256) for one in destroyed)
        if not fits or not all(isinstance(one, str) for one in raw["not_covered"]):
            raise wrong
        return Certificate(
            str(raw["party"]), raw["agreement"], str(raw["time"]), destroyed, tuple(raw["not_covered"]),
            decode64(raw["signature"], 64),
        )  # fmt: skip
    except OSError as error:
        raise KeyFileError(f"{path.name}: {error.strerror or type(error).__name__}") from None
    except (ArtefactError, TypeError, ValueError):
        raise wrong from None


def destroyed_here(path: Path, sha256: str | None = None, fingerprint: object = None) -> bool:
    """
    Whether a key file is one that a certificate in its folder says is destroyed.

    Args:
        sha256, fingerprint: of the file that stands there; a restored copy is recognised by either.
    """
    if sha256 is None and fingerprint is None:
        return path.with_name(path.name + SUFFIX).exists()
    for one in _certificates(path.parent):
        for key in one.destroyed:
            if (sha256 is not None and key.sha256 == sha256) or (
                fingerprint is not None and key.fingerprint == fingerprint
            ):
                return True
    return False


def _certificates(folder: Path) -> Iterable[Certificate]:
    found: Sequence[Path] = sorted(folder.glob(f"*{SUFFIX}"))
    for path in found:
        try:
            yield read(path)
        except KeyFileError:
            continue
