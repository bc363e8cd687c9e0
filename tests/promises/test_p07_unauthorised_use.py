"""P7: measures against unauthorised use: roles, keys, signatures, ledger."""

from __future__ import annotations

from pathlib import Path

import pytest
from parties_in_memory import ROLES, agreed, key_of, write_agreement
from project_on_disk import CUSTODIANS, OPERATOR, RELEASER, Project, leftovers, run

from pseudolink.agreement import load_signed, signatures_path
from pseudolink.agreement_rules import RECEIVERS
from pseudolink.errors import AgreementUnsignedError, NotPermittedError, WrongKeyError
from pseudolink.roles.audit import audit
from pseudolink.seal import rules


@pytest.mark.parametrize("artefact", list(RECEIVERS))
@pytest.mark.parametrize("name", list(ROLES))
def test_a_role_holds_what_it_may_and_nothing_else(artefact: str, name: str) -> None:
    party = agreed().party(name)
    if party.role in RECEIVERS[artefact]:
        rules.refuse_receiver(party, artefact)
    else:
        with pytest.raises(NotPermittedError):
            rules.refuse_receiver(party, artefact)


@pytest.mark.parametrize("missing", list(ROLES))
def test_without_one_signature_nothing_is_done(tmp_path: Path, missing: str) -> None:
    path = write_agreement(tmp_path)
    lines = signatures_path(path).read_bytes().splitlines(keepends=True)
    signatures_path(path).write_bytes(
        b"".join(one for one in lines if f'"party":"{missing}"'.encode() not in one)
    )
    with pytest.raises(AgreementUnsignedError):
        load_signed(path)


@pytest.mark.parametrize("party", [*CUSTODIANS, RELEASER, "university"])
def test_nobody_but_the_operator_links(project: Project, tmp_path: Path, party: str) -> None:
    keys = project.keys(party)
    changed = {"key": keys / f"{party}.party.key", "passphrase-file": keys / "passphrase"}
    done = run(*project.link(tmp_path / "out", **changed))
    assert "PL-AGREE-05" in done.stderr
    assert leftovers(tmp_path) == []


def test_an_impostor_with_a_partys_name_is_refused() -> None:
    from pseudolink.agreement import require_own_key

    with pytest.raises(WrongKeyError):
        require_own_key(agreed(), key_of("impostor", "unit"))


def test_no_folder_holds_a_key_that_its_role_must_not_have(project: Project) -> None:
    assert audit([project.folder])["faults"] == 0
    assert not list((project.folder / OPERATOR).rglob("*linkage.key"))
    assert not list((project.folder / RELEASER).rglob("*linkage.key"))
