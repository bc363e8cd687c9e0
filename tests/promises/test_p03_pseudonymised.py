"""P3: linked data are pseudonymised to reduce the risk, and never called anonymous."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st
from project_on_disk import OPERATOR, RELEASER, Project

from pseudolink.keys.linkage import LinkageKey
from pseudolink.keys.release import ReleaseKey

PACKAGE = Path(__file__).parents[2] / "pseudolink"


def test_a_release_names_people_by_keyed_pseudonyms_alone(project: Project) -> None:
    table = pq.read_table(project.folder / RELEASER / "release" / "release.parquet")
    for name in ("programme_id", "family_id"):
        values = [one for one in table.column(name).to_pylist() if one is not None]
        assert values
        assert all(re.fullmatch(r"[a-z2-7]{20}", one) for one in values)
    assert not {"record", "person", "forename", "surname", "dob", "postcode", "nino", "upn"} & set(
        table.column_names
    )


@given(secret=st.binary(min_size=32, max_size=32), programme=st.text(min_size=1, max_size=20))
def test_custodians_cannot_compute_a_pseudonym_from_what_they_hold(secret: bytes, programme: str) -> None:
    """The same 32 bytes as a linkage key give something else: labels keep the purposes apart."""
    named = ReleaseKey(secret).pseudonym("families", programme)
    linkage = LinkageKey(secret)
    assert (
        ReleaseKey(bytes(32) if secret != bytes(32) else b"x" * 32).pseudonym("families", programme) != named
    )
    assert linkage.derive("token", "families", programme).hex() != named
    assert ReleaseKey(secret).family("families", programme) != named


def test_the_word_is_pseudonymised(project: Project) -> None:
    """Pages, descriptions and the software's own words."""
    pages = [
        *project.folder.glob(f"{OPERATOR}/linkage/*"),
        project.folder / RELEASER / "release" / "release.json",
    ]
    texts = [one.read_text(encoding="utf-8") for one in pages if one.suffix in (".html", ".json")]
    texts += [one.read_text(encoding="utf-8") for one in PACKAGE.rglob("*.html")]
    for text in texts:
        for found in re.finditer(r"(?i)\banonym\w*", text):
            before = text[max(0, found.start() - 40) : found.start()].lower()
            assert re.search(r"never|not|no\b", before), found[0]
