from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from parties_in_memory import ROLES, agreed, key_of, manifest_of

from pseudolink.errors import LedgerError, LedgerForkError, ReplayError, TimestampError
from pseudolink.formats import heads
from pseudolink.formats.receipt import FIRST
from pseudolink.ledger import chain, timestamp, together
from pseudolink.roles.exchange import Exchange

PUBLICS = {name: key_of(name).public.signing_key for name in ROLES}
AGREEMENT = agreed()


class Party:
    """A party with its ledger, and the two things it does: send and use."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name, self.ledger = name, folder / name / "ledger.jsonl"
        self.ledger.parent.mkdir(parents=True)

    def done(self, **details: Any) -> None:
        chain.append(
            self.ledger, key_of(self.name), step="encode", agreement=AGREEMENT.digest, details=details
        )

    def sends(self, artefact: str = "encodings") -> Any:
        known = Exchange(self.ledger, self.name).outgoing()
        return manifest_of(AGREEMENT, artefact, sender=self.name, heads=known)

    def uses(self, *manifests: Any) -> None:
        exchange = Exchange(self.ledger, self.name)
        for one in manifests:
            exchange.take(one)
        self.done(**exchange.details())


@pytest.fixture
def parties(tmp_path: Path) -> dict[str, Party]:
    return {name: Party(tmp_path, name) for name in ("council", "schools", "unit", "vault")}


def play(parties: dict[str, Party]) -> None:
    """Two custodians encode, the unit links, the vault releases."""
    council, schools, unit, vault = (parties[name] for name in ("council", "schools", "unit", "vault"))
    for one in (council, schools):
        one.done(n=1)
        one.done(n=2)
    sent = [council.sends(), schools.sends()]
    for one in (council, schools):
        one.done(n=3)
    unit.uses(*sent)
    vault.uses(unit.sends("link_map"), council.sends("payload"), schools.sends("payload"))


def ledgers(parties: dict[str, Party]) -> list[Path]:
    return [one.ledger for one in parties.values()]


def test_ledgers_of_an_honest_project_agree(parties: dict[str, Party]) -> None:
    play(parties)
    found = together.verify(ledgers(parties), PUBLICS)
    assert {party: len(one) for party, one in found.receipts.items()} == {
        "council": 3,
        "schools": 3,
        "unit": 1,
        "vault": 1,
    }
    assert found.seen == 5


def rewrite(party: Party, keep: int, count: int) -> None:
    """What a dishonest party can do alone: sign another history of its own."""
    old = party.ledger.read_bytes().split(b"\n")
    party.ledger.write_bytes(b"".join(line + b"\n" for line in old[:keep]))
    for number in range(count):
        party.done(n=f"rewritten {number}")


@pytest.mark.parametrize(("keep", "count"), [(0, 3), (1, 2), (1, 9)])
def test_rewriting_attack_on_what_another_has_seen_is_named(
    parties: dict[str, Party], keep: int, count: int
) -> None:
    play(parties)
    rewrite(parties["council"], keep, count)
    chain.verify(parties["council"].ledger, PUBLICS)  # by itself it is whole
    with pytest.raises(LedgerError) as caught:
        together.verify(ledgers(parties), PUBLICS)
    assert caught.value.problems[0].place == "council/ledger.jsonl, line 2"


def test_cutting_attack_on_what_another_has_seen_is_named(parties: dict[str, Party]) -> None:
    play(parties)
    rewrite(parties["schools"], 1, 0)
    with pytest.raises(LedgerError) as caught:
        together.verify(ledgers(parties), PUBLICS)
    assert caught.value.problems[0].place == "schools/ledger.jsonl, line 2"
    assert "missing" in caught.value.problems[0].message


def test_what_nobody_has_seen_can_still_be_rewritten(parties: dict[str, Party]) -> None:
    """The limit of the promise: the last entry was seen by nobody yet."""
    play(parties)
    rewrite(parties["unit"], 0, 0)
    parties["unit"].uses()
    together.verify([parties["council"].ledger, parties["unit"].ledger], PUBLICS)


def test_fork_attack_two_histories_for_two_readers_are_refused_when_they_meet(
    parties: dict[str, Party],
) -> None:
    council, unit, vault = parties["council"], parties["unit"], parties["vault"]
    council.done(n=1)
    unit.uses(council.sends())
    rewrite(council, 0, 1)
    exchange = Exchange(vault.ledger, "vault")
    exchange.take(unit.sends("link_map"))
    with pytest.raises(LedgerForkError) as caught:
        exchange.take(council.sends("payload"))
    assert caught.value.problems[0].place == "council"


def test_replay_attack_an_earlier_delivery_after_a_later_one_was_used(parties: dict[str, Party]) -> None:
    council, unit = parties["council"], parties["unit"]
    early = council.sends()
    council.done()
    late = council.sends()
    unit.uses(early)
    unit.uses(late)
    unit.uses(late)  # the same again is no replay
    with pytest.raises(ReplayError):
        unit.uses(early)
    unit.uses(manifest_of(AGREEMENT, "withdrawal", heads=early.heads))  # another artefact is another count


def test_one_party_does_not_write_into_anothers_ledger(parties: dict[str, Party]) -> None:
    parties["council"].done()
    chain.append(
        parties["council"].ledger, key_of("unit"), step="link", agreement=AGREEMENT.digest, details={}
    )
    with pytest.raises(LedgerError):
        together.verify([parties["council"].ledger], PUBLICS)


def test_two_ledgers_of_one_party_are_refused(parties: dict[str, Party], tmp_path: Path) -> None:
    parties["council"].done()
    shutil.copytree(tmp_path / "council", tmp_path / "copy")
    with pytest.raises(LedgerError):
        together.verify([tmp_path / "council/ledger.jsonl", tmp_path / "copy/ledger.jsonl"], PUBLICS)


def test_a_ledger_without_entries_has_the_head_of_nothing() -> None:
    assert heads.of_chain([]) == {"sequence": 0, "head": FIRST}


HEADS = st.dictionaries(
    st.sampled_from(["a", "b", "c"]),
    st.integers(0, 5).map(lambda n: {"sequence": n, "head": f"{n:064x}"}),
)


@given(first=HEADS, second=HEADS, third=HEADS)
def test_merging_is_the_latest_of_each_in_any_order(first: Any, second: Any, third: Any) -> None:
    def merge(*many: Any) -> Any:
        found: Any = {}
        for one in many:
            found = heads.merge(found, one, source="")
        return found

    assert merge(first, second, third) == merge(third, first, second) == merge(first, merge(second, third))


# ---------------------------------------------------------------- timestamps


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A time-stamping authority of our own."""
    if shutil.which("openssl") is None:
        pytest.skip("needs: openssl (apt-get install openssl)")
    folder = tmp_path_factory.mktemp("tsa")
    config = f"""
[req]
distinguished_name = dn
x509_extensions = ext
prompt = no
[dn]
CN = Test authority
[ext]
basicConstraints = CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
[tsa]
default_tsa = tsa1
[tsa1]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/cert.pem
certs = {folder}/cert.pem
signer_key = {folder}/secret.pem
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
"""
    (folder / "tsa.cnf").write_text(config)
    (folder / "serial").write_text("01\n")
    made = ["-config", folder / "tsa.cnf", "-keyout", folder / "secret.pem", "-out", folder / "cert.pem"]
    run = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *made]
    subprocess.run(run, check=True, capture_output=True)
    return folder


def stamped(authority: Path, head: str, folder: Path) -> Path:
    query, response = folder / "head.tsq", folder / "head.tsr"
    query.write_bytes(timestamp.request(head))
    run = ["openssl", "ts", "-reply", "-config", authority / "tsa.cnf", "-queryfile", query, "-out", response]
    subprocess.run(run, check=True, capture_output=True)
    return response


def test_an_authority_understands_the_request_and_its_answer_fits_the_ledger(
    authority: Path, parties: dict[str, Party], tmp_path: Path
) -> None:
    council = parties["council"]
    council.done(n=1)
    response = stamped(authority, chain.read(council.ledger)[-1].digest, tmp_path)
    council.done(n=2)
    receipt, stated = timestamp.read(response, chain.read(council.ledger))
    assert receipt.sequence == 1
    assert stated.year > 2000
    timestamp.verify(response, receipt, authority / "cert.pem")


def test_a_timestamp_of_a_rewritten_ledger_does_not_fit(
    authority: Path, parties: dict[str, Party], tmp_path: Path
) -> None:
    council = parties["council"]
    council.done(n=1)
    response = stamped(authority, chain.read(council.ledger)[-1].digest, tmp_path)
    rewrite(council, 0, 1)
    with pytest.raises(TimestampError):
        timestamp.read(response, chain.read(council.ledger))


def test_a_changed_or_foreign_timestamp_is_refused(
    authority: Path, parties: dict[str, Party], tmp_path: Path
) -> None:
    council = parties["council"]
    council.done(n=1)
    receipts = chain.read(council.ledger)
    response = stamped(authority, receipts[-1].digest, tmp_path)
    data = bytearray(response.read_bytes())
    data[-5] ^= 1
    changed = tmp_path / "changed.tsr"
    changed.write_bytes(data)
    with pytest.raises(TimestampError):
        timestamp.verify(changed, receipts[-1], authority / "cert.pem")
    for text in (b"", b"not a response", json.dumps({"a": 1}).encode()):
        changed.write_bytes(text)
        with pytest.raises(TimestampError):
            timestamp.read(changed, receipts)
