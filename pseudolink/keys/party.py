"""
A party's identity: an Ed25519 key that signs and a hybrid key that opens what is sealed to it.

The sealing key joins ML-KEM-768 with X25519: a package stays closed unless both are broken, so
one recorded today is not opened by a quantum computer later.

Source: specs/keys-v1.md, section 4.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NoReturn

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from pseudolink import files
from pseudolink.errors import ArtefactError, KeyFileError, SignatureError, WrongKeyError
from pseudolink.formats import canonical
from pseudolink.formats.binary import decode64, encode64
from pseudolink.keys import vault
from pseudolink.keys.derive import spoken

PARTY_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
SIGNING_BYTES, SIGNATURE_BYTES = 32, 64
MLKEM_BYTES, MLKEM_SEED_BYTES, X25519_BYTES = 1184, 64, 32
#: What HPKE adds to a plaintext: ML-KEM-768 ciphertext, X25519 share, Poly1305 tag.
WRAP_BYTES = 1088 + 32 + 16

_SUITE = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.CHACHA20_POLY1305)
_PRIME = 2**255 - 19
_ORDER_8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_SMALL = frozenset({0, 1, _PRIME - 1, _ORDER_8, _PRIME - _ORDER_8})


def check_signing_key(text: object) -> bytes:
    """
    The 32 bytes of a public signing key.

    Raises:
        ValueError: not 32 bytes in base64, or a point of small order.
    """
    raw = decode64(text, SIGNING_BYTES)
    # A key of small order lets its owner disown a signature: others could have made it.
    if (int.from_bytes(raw, "little") & (2**255 - 1)) % _PRIME in _SMALL:
        raise ValueError("is not a usable Ed25519 key")
    return raw


def check_sealing_key(text: object) -> hpke.MLKEM768X25519PublicKey:
    """
    A public sealing key: raw ML-KEM-768 (1,184 bytes), then raw X25519 (32 bytes), in base64.

    Raises:
        ValueError: another length, or a half that is not a usable key.
    """
    raw = decode64(text, MLKEM_BYTES + X25519_BYTES)
    x25519 = X25519PublicKey.from_public_bytes(raw[MLKEM_BYTES:])
    try:
        mlkem = MLKEM768PublicKey.from_public_bytes(raw[:MLKEM_BYTES])
        X25519PrivateKey.generate().exchange(x25519)  # refuses points of small order
    except ValueError:
        raise ValueError("is not a usable sealing key") from None
    return hpke.MLKEM768X25519PublicKey(mlkem, x25519)


def verify(signing_key: str, message: bytes, signature: bytes) -> None:
    """
    Check an Ed25519 signature.

    Raises:
        SignatureError: the key is not one, or the signature does not fit.
    """
    try:
        Ed25519PublicKey.from_public_bytes(check_signing_key(signing_key)).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise SignatureError("the signature does not fit") from None


def wrap(sealing_key: str, plaintext: bytes, info: bytes) -> bytes:
    """
    Seal a few bytes to a party: HPKE base mode, bound to ``info`` (RFC 9180).

    Returns:
        :data:`WRAP_BYTES` more bytes than the plaintext.

    Raises:
        WrongKeyError: not a usable sealing key.
    """
    try:
        return _SUITE.encrypt(plaintext, check_sealing_key(sealing_key), info=info)
    except ValueError as error:
        raise WrongKeyError(f"the sealing key {error}") from None


@dataclass(frozen=True)
class PartyPublic:
    """What others know of a party: both keys in base64."""

    id: str
    signing_key: str
    sealing_key: str

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen bytes of SHA-256 over both keys, in groups to read aloud over the telephone."""
        raw = decode64(self.signing_key, SIGNING_BYTES) + decode64(self.sealing_key)
        return spoken(hashlib.sha256(b"pseudolink/party-fingerprint/1\x00" + raw).digest()[:16])

    def to_toml(self) -> str:
        """The lines to paste into an agreement."""
        return (
            "# Public keys of a party: add a name and a role, and compare the fingerprint by voice.\n"
            f"# fingerprint: {self.fingerprint}\n"
            "[[parties]]\n"
            f'id = "{self.id}"\n'
            f'signing_key = "{self.signing_key}"\n'
            f'sealing_key = "{self.sealing_key}"\n'
        )


def load_public(path: Path) -> PartyPublic:
    """
    Read a ``.party.pub`` file.

    Raises:
        KeyFileError: not such a file, or keys that are not usable.
    """
    path = Path(path)
    wrong = KeyFileError(f"{path.name}: not a party's public keys")
    try:
        raw = tomllib.loads(path.read_bytes().decode("utf-8"))
        (party,) = raw["parties"]
        if not PARTY_ID.fullmatch(party["id"]):
            raise wrong
        public = PartyPublic(party["id"], party["signing_key"], party["sealing_key"])
        check_signing_key(public.signing_key)
        check_sealing_key(public.sealing_key)
    except OSError as error:
        raise KeyFileError(f"{path.name}: {error.strerror or type(error).__name__}") from None
    except (ValueError, KeyError, TypeError):
        raise wrong from None
    return public


class PartyKey:
    """A party's private keys. They do not print, do not pickle and do not copy."""

    __slots__ = ("_mlkem", "_signing", "_x25519", "id", "public")

    def __init__(
        self, party_id: str, signing: Ed25519PrivateKey, mlkem: MLKEM768PrivateKey, x25519: X25519PrivateKey
    ) -> None:
        if not PARTY_ID.fullmatch(party_id):
            raise KeyFileError("a party's id is lower-case letters, digits and -, at most 32")
        self.id = party_id
        self._signing, self._mlkem, self._x25519 = signing, mlkem, x25519
        sealing = mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()
        self.public = PartyPublic(
            party_id, encode64(signing.public_key().public_bytes_raw()), encode64(sealing)
        )

    @classmethod
    def generate(cls, party_id: str) -> PartyKey:
        """
        New keys from the system's generator.

        Raises:
            KeyFileError: the id has another form than lower-case letters, digits and ``-``.
        """
        return cls(
            party_id,
            Ed25519PrivateKey.generate(),
            MLKEM768PrivateKey.generate(),
            X25519PrivateKey.generate(),
        )

    def sign(self, message: bytes) -> bytes:
        """An Ed25519 signature, 64 bytes; the caller puts a domain in front of the message."""
        return self._signing.sign(message)

    def unwrap(self, ciphertext: bytes, info: bytes) -> bytes:
        """
        Open what :func:`wrap` sealed to this party with the same ``info``.

        Raises:
            WrongKeyError: sealed to another key, for another purpose, or damaged.
        """
        try:
            key = hpke.MLKEM768X25519PrivateKey(self._mlkem, self._x25519)
            return _SUITE.decrypt(ciphertext, key, info=info)
        except (InvalidTag, ValueError):
            raise WrongKeyError(
                "this party's sealing key does not open it", advice="It was sealed to another key."
            ) from None

    def save(self, folder: Path, passphrase: str) -> tuple[Path, Path]:
        """
        Write ``<id>.party.key`` (protected) and ``<id>.party.pub`` (public), both new.

        Returns:
            the two paths.

        Raises:
            OutputExistsError: one of them is already there; neither is written.
            PassphraseError: shorter than 12 characters.
        """
        private, public = folder / f"{self.id}.party.key", folder / f"{self.id}.party.pub"
        files.refuse_existing(private)
        files.refuse_existing(public)
        secret = canonical.dumps(
            {
                "id": self.id,
                "ed25519": encode64(self._signing.private_bytes_raw()),
                "mlkem768": encode64(self._mlkem.private_bytes_raw()),
                "x25519": encode64(self._x25519.private_bytes_raw()),
            }
        )
        vault.write(private, secret, passphrase, "party", vault.facts(self.public.fingerprint, self.id))
        try:
            files.write_bytes(public, self.public.to_toml().encode())
        except BaseException:
            private.unlink(missing_ok=True)
            raise
        return private, public

    @classmethod
    def load(cls, path: Path, passphrase: str) -> PartyKey:
        """
        Read a ``.party.key`` file.

        Raises:
            KeyExposedError, KeyFileError, PassphraseError: see :func:`pseudolink.keys.vault.read`.
        """
        path = Path(path)
        secret = vault.read(path, passphrase, "party")
        try:
            raw = canonical.loads(secret)
            return cls(
                raw["id"],
                Ed25519PrivateKey.from_private_bytes(decode64(raw["ed25519"], 32)),
                MLKEM768PrivateKey.from_seed_bytes(decode64(raw["mlkem768"], MLKEM_SEED_BYTES)),
                X25519PrivateKey.from_private_bytes(decode64(raw["x25519"], X25519_BYTES)),
            )
        except (ArtefactError, ValueError, KeyError, TypeError):
            raise KeyFileError(f"{path.name}: does not hold a party's private keys") from None

    def __repr__(self) -> str:
        return f"<PartyKey {self.id} {self.public.fingerprint}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("PartyKey does not pickle and does not copy; see specs/keys-v1.md, section 1")
