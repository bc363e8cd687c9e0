"""
Where keys and passphrases may stand: not in a repository, and not open to other users.

Source: specs/keys-v1.md, sections 2.5 to 2.7.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import unicodedata
from pathlib import Path

from pseudolink.errors import KeyExposedError, KeyPlaceError, PassphraseError
from pseudolink.portable import open_to_others

_FEWEST_CHARACTERS = 6
# Of these, or of one of these repeated, with figures and signs around it, no passphrase is made.
_COMMON = (
    "password", "passphrase", "letmein", "welcome", "secret", "qwerty", "qwertyuiop", "administrator",
    "changeme", "iloveyou", "pseudolink", "linkage", "council",
)  # fmt: skip
_RUNS = (
    "abcdefghijklmnopqrstuvwxyz", "01234567890123456789", "qwertyuiopasdfghjklzxcvbnm",
    "1qaz2wsx3edc4rfv5tgb",
)  # fmt: skip


def repository_of(path: Path) -> Path | None:
    """The git repository in whose reach a file lies: its folder, or None; what git ignores is outside."""
    folder = Path(os.path.abspath(path)).parent
    root = next((one for one in (folder, *folder.parents) if (one / ".git").exists()), None)
    if root is None:
        return None
    git = shutil.which("git")
    if git is not None:
        asked = subprocess.run(
            [git, "-C", str(root), "check-ignore", "-q", "--", os.path.abspath(path)],
            capture_output=True,
            check=False,
        )
        if asked.returncode == 0:
            return None
    return root


def refuse_repository(path: Path) -> None:
    """
    Raises:
        KeyPlaceError: the file would be one commit away from everybody.
    """
    root = repository_of(path)
    if root is not None:
        raise KeyPlaceError(
            f"{path.name}: a key does not belong in a repository ({root.name})",
            advice="Put it in a folder outside, or in one that git ignores.",
        )


def readers(mode: int) -> str:
    """Who can read or change a file of this mode (POSIX), in words."""
    if os.name != "posix":
        return "not known on this system"
    who = [name for name, bits in (("group", 0o070), ("everybody", 0o007)) if mode & bits]
    return " and ".join(["the owner", *who]) if who else "the owner alone"


def refuse_exposed_passphrase(mode: int, name: str) -> None:
    """
    Raises:
        KeyExposedError: other users of the machine can read or change a passphrase file (POSIX).
    """
    if open_to_others(mode):
        raise KeyExposedError(
            f"{name}: the passphrase can be read or changed by other users",
            advice="Make it the owner's alone (chmod 600), and choose another passphrase.",
        )


def weakness(passphrase: str) -> str | None:
    """What makes a passphrase easy to guess; None where nothing plain does."""
    text = unicodedata.normalize("NFC", passphrase).casefold()
    if len(set(text)) < _FEWEST_CHARACTERS:
        return f"has fewer than {_FEWEST_CHARACTERS} different characters"
    for size in range(1, len(text) // 2 + 1):
        unit = text[:size]
        if size <= 6 and unit * (len(text) // size) + unit[: len(text) % size] == text:
            return "is a few characters over and over"
    if any(text in run or text in run[::-1] for run in (one * 3 for one in _RUNS)):
        return "is a run of the keyboard or the alphabet"
    letters = "".join(one for one in text if one.isalpha())
    for word in _COMMON:
        if letters and letters == (word * (len(letters) // len(word) + 1))[: len(letters)]:
            return "is a common word with something around it"
    return None


def refuse_weak(passphrase: str) -> None:
    """
    Raises:
        PassphraseError: a passphrase for a new key that is plainly easy to guess.
    """
    found = weakness(passphrase)
    if found:
        raise PassphraseError(f"the passphrase {found}", advice="Five or more random words make a good one.")
