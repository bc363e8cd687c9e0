"""
Hiding the size of an artefact: its bytes are padded to a published ladder before they are sealed.

What a sealed size shows beyond the counts in the manifest (how much is missing, how alike values
are) is then at most one of eight steps in each doubling.

Source: specs/package-v1.md, section 2.8.
"""

from __future__ import annotations

from pseudolink.errors import PackageError

#: In front of the content inside the body: its length.
PREFIX_BYTES = 8
SMALLEST = 4096
#: The largest artefact, in bytes.
LARGEST = 2**40
# What the body's cipher adds: salt, nonce prefix and commitment, then a tag for each segment.
_START, _SEGMENT, _TAG = 56, 16384, 16


def rung(size: int) -> int:
    """The smallest step of the ladder that is not below ``size``: eight steps in each doubling."""
    if size <= SMALLEST:
        return SMALLEST
    step = 1 << ((size - 1).bit_length() - 4)
    return -(-size // step) * step


def sealed_size(content: int) -> int:
    """Bytes of the sealed body of an artefact of ``content`` bytes."""
    padded = rung(PREFIX_BYTES + content)
    return padded + _START + _TAG * (padded // _SEGMENT + 1)


def most_out(piece: int) -> int:
    """Bytes that the cipher may give out for a piece that it is given, either way, at most."""
    return _START + _SEGMENT + piece + _TAG * (piece // _SEGMENT + 1)


def padded_size(sealed: int) -> int:
    """
    Bytes inside a sealed body of this size.

    Raises:
        PackageError: no artefact has a body of this size.
    """
    segments, rest = divmod(sealed - _START - _TAG, _SEGMENT + _TAG)
    padded = segments * _SEGMENT + rest
    on_the_ladder = segments >= 0 and rest < _SEGMENT and rung(padded) == padded
    if on_the_ladder and padded <= rung(PREFIX_BYTES + LARGEST):
        return padded
    raise PackageError("the package's body has a size that is not on the ladder")


def require_size(content: int) -> None:
    """
    Raises:
        PackageError: larger than an artefact may be.
    """
    if content > LARGEST:
        raise PackageError(f"an artefact has at most {LARGEST} bytes")


class Unpadder:
    """Takes the padded bytes in pieces of any size and gives back the content alone."""

    def __init__(self, padded: int) -> None:
        self._padded, self._seen = padded, 0
        self._prefix = b""
        self._left = 0

    def update(self, data: bytes | memoryview) -> bytes | memoryview:
        """
        The content among these bytes.

        Raises:
            PackageError: a length that the ladder does not bear out, or padding that is not zero.
        """
        self._seen += len(data)
        if len(self._prefix) < PREFIX_BYTES:
            missing = PREFIX_BYTES - len(self._prefix)
            self._prefix += bytes(data[:missing])
            data = data[missing:]
            if len(self._prefix) < PREFIX_BYTES:
                return b""
            self._left = int.from_bytes(self._prefix, "big")
            # package-v1 §2.8: one content has one padded form, so nothing can hide in the padding.
            if self._left > LARGEST or rung(PREFIX_BYTES + self._left) != self._padded:
                raise PackageError("the package's content has another size than its body says")
        content, padding = data[: self._left], data[self._left :]
        self._left -= len(content)
        if bytes(padding).count(0) != len(padding):
            raise PackageError("the package's padding is not empty")
        return content

    def finish(self) -> None:
        """
        Raises:
            PackageError: fewer or more bytes than the body said.
        """
        if self._left or self._seen != self._padded:
            raise PackageError("the package's content ended early")
