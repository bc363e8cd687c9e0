"""P6: transferred, handled and stored lawfully: what leaves is sealed and written down."""

from __future__ import annotations

from project_on_disk import CUSTODIANS, OPERATOR, RELEASER, Project

from pseudolink.agreement import load_agreement
from pseudolink.ledger import chain, together
from pseudolink.seal.envelope import MAGIC
from pseudolink.seal.package import file_digest


def test_everything_in_an_outbox_is_a_sealed_package(project: Project) -> None:
    for party in CUSTODIANS:
        files = [one for one in (project.folder / party / "outbox").rglob("*") if one.is_file()]
        assert len(files) == 3
        assert all(one.read_bytes().startswith(MAGIC) for one in files)


def test_every_package_has_a_signed_receipt_of_its_sender(project: Project) -> None:
    for party in (*CUSTODIANS, OPERATOR):
        told = str([dict(one.details) for one in chain.read(project.folder / party / "ledger.jsonl")])
        for package in (project.folder / party).rglob("*.package"):
            assert file_digest(package) in told, package.name


def test_all_ledgers_agree_with_each_other(project: Project) -> None:
    publics = {one.id: one.signing_key for one in load_agreement(project.agreement).parties}
    ledgers = [project.folder / party / "ledger.jsonl" for party in (*CUSTODIANS, OPERATOR, RELEASER)]
    assert together.verify(ledgers, publics).seen > 0
