"""The whole path, and what each party holds at its end."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from project_on_disk import CUSTODIANS, OPERATOR, RELEASER, Project, leftovers, run

from pseudolink.agreement import load_signed
from pseudolink.encode.extract import CHUNK_ROWS
from pseudolink.errors import NotPermittedError
from pseudolink.formats import encodings as encoding_files
from pseudolink.roles.custodian import encode
from pseudolink.roles.encoding import Options
from pseudolink.schema import load_schema
from pseudolink.seal.package import open_package


def test_every_agency_is_linked_well(project: Project):
    for agency in project.result.agencies:
        assert agency.f1 >= (0.95 if agency.agency == "offending" else 0.98), agency
        assert agency.company <= 0.05


def test_the_operators_folder_holds_nobodys_identifiers(project: Project):
    """No name, postcode, number, programme ID or attribute in any byte of it."""
    operator = b"".join(
        p.read_bytes()
        for p in (project.folder / OPERATOR).rglob("*")
        if p.is_file() and "keys" not in p.parts
    )
    packages = b"".join(project.encodings(party).read_bytes() for party in CUSTODIANS)
    words: set[str] = set()
    for party in CUSTODIANS:
        table = pd.read_csv(project.extract(party), dtype=str, keep_default_na=False)
        for column in ("surname", "postcode", "nino", "upn", "programme_id", "family_id"):
            words |= set(table.get(column, pd.Series(dtype=str)))
    words = {w for w in words if len(w) >= 6}
    assert len(words) > 1000
    held = operator + packages
    assert not [w for w in words if w.encode() in held]


def test_the_release_carries_pseudonyms_and_permitted_attributes_alone(project: Project):
    folder = project.folder / RELEASER / "release"
    table = pq.read_table(folder / "release.parquet")
    council = pd.read_csv(project.extract("council"), dtype=str, keep_default_na=False)
    agreed = load_signed(project.agreement)
    permitted = {"programme_id", "family_id"}
    for party in agreed.of_role("custodian"):
        permitted |= {f"{party.id}_{name}" for name in (*party.attributes, "linked")}
    assert set(table.column_names) <= permitted
    text = (folder / "release.csv").read_text() + (folder / "release.json").read_text()
    for column in ("programme_id", "family_id", "nino", "upn", "postcode"):
        assert not [v for v in set(council[column]) if v and v in text]
    assert all(re.fullmatch(r"[a-z2-7]{20}", v) for v in table.column("programme_id").to_pylist())
    assert pd.read_csv(folder / "release.csv").shape == (table.num_rows, table.num_columns)
    described = json.loads((folder / "release.json").read_text())
    assert [c["name"] for c in described["columns"]] == table.column_names
    assert table.num_rows == len(council) - project.result.objections


def test_people_who_object_are_nowhere(project: Project):
    """Their programme IDs are in no package that was sent."""
    objecting = (project.folder / "council" / "objections.csv").read_text().split()
    assert len(objecting) == project.result.objections > 0
    council = pd.read_csv(project.extract("council"), dtype=str)
    assert council["programme_id"].isin(objecting).sum() == len(objecting)


def test_every_ledger_verifies_and_shows_what_was_done(project: Project):
    for party in (*CUSTODIANS, OPERATOR, RELEASER):
        ledger = project.folder / party / "ledger.jsonl"
        found = run("ledger", "verify", ledger, "--agreement", project.agreement, "--json")
        assert found.exit_code == 0, found.output
        assert json.loads(found.stdout)["receipts"] == 1


@pytest.mark.parametrize("party", CUSTODIANS)
def test_a_custodian_can_open_no_link_map(project: Project, tmp_path, party):
    """Refused before a byte is decrypted, whatever the custodian claims to be."""
    with pytest.raises(NotPermittedError) as caught:
        open_package(
            project.link_map,
            tmp_path / "map.parquet",
            agreement=load_signed(project.agreement),
            recipient=project.party_key(party),
            artefact="link_map",
        )
    assert caught.value.code == "PL-AGREE-05"
    assert leftovers(tmp_path) == []


def opened(project: Project, package, tmp_path, name):
    plain = tmp_path / name
    open_package(
        package,
        plain,
        agreement=load_signed(project.agreement),
        recipient=project.party_key(OPERATOR),
        artefact="encodings",
    )
    return encoding_files.load(plain, load_schema(project.schema).layout)


def rows_of(encodings):
    """Every row's tokens and filters, record IDs apart, in an order of their own."""
    parts = []
    for columns in encodings.passes.values():
        parts += [columns.tokens.view(np.uint8), columns.present[:, None].astype(np.uint8)]
        if columns.filters is not None:
            parts.append(columns.filters)
    whole = np.ascontiguousarray(np.concatenate(parts, axis=1))
    return np.sort(whole.view(f"V{whole.shape[1]}").ravel())


@pytest.mark.parametrize(
    ("order", "options"),
    [
        ("reversed", Options()),
        ("as it is", Options(chunk_rows=17)),
        ("shuffled", Options(chunk_rows=100, workers=2)),
        ("as it is", Options(chunk_rows=CHUNK_ROWS, workers=1)),
    ],
)
def test_same_inputs_and_keys_give_the_same_encodings(project: Project, tmp_path, order, options):
    """Byte for byte, record IDs apart, whatever the order of rows, chunks and threads."""
    table = pd.read_csv(project.extract("council"), dtype=str, keep_default_na=False)
    if order == "reversed":
        table = table.iloc[::-1]
    elif order == "shuffled":
        table = table.sample(frac=1.0, random_state=5)
    delivered = encode(
        table,
        agreement=project.agreement,
        schema=project.schema,
        key=project.party_key("council"),
        linkage_key=project.linkage_key(),
        output=tmp_path / "out",
        ledger=tmp_path / "ledger.jsonl",
        objections=project.folder / "council" / "objections.csv",
        options=options,
    )
    again = opened(project, delivered.encodings, tmp_path, "again.parquet")
    first = opened(project, project.encodings("council"), tmp_path, "first.parquet")
    assert (rows_of(again) == rows_of(first)).all()
    shared = {bytes(r) for r in again.records} & {bytes(r) for r in first.records}
    assert not shared


def test_parquet_csv_and_frames_give_the_same_encodings(project: Project, tmp_path):
    table = pd.read_csv(project.extract("offending"), dtype=str, keep_default_na=False)
    table.to_parquet(tmp_path / "extract.parquet")
    table.to_csv(tmp_path / "semi.csv", sep=";", index=False, encoding="utf-8-sig", lineterminator="\r\n")
    expected = rows_of(opened(project, project.encodings("offending"), tmp_path, "first.parquet"))
    for number, source in enumerate(("extract.parquet", "semi.csv")):
        out = tmp_path / f"out{number}"
        found = run(*project.encode(out, "offending", extract=tmp_path / source))
        assert found.exit_code == 0, found.output
        package = out / "offending.encodings.package"
        again = rows_of(opened(project, package, tmp_path, f"again{number}.parquet"))
        assert (again == expected).all()


def test_names_in_welsh_and_yoruba_link(project: Project, tmp_path):
    """A name keeps its letters: with and without accents it is the same name."""
    names = [("Siân", "Llŷr"), ("Tŵm", "Gruffydd-Môn"), ("Olúwaṣeun", "Adébáyọ̀"), ("Fúnmiláyọ̀", "Ògúnlẹ́yẹ")]
    rows = [
        {
            "forename": f,
            "surname": s,
            "dob": f"198{n}-0{n + 1}-1{n}",
            "postcode": f"DH{n + 1} 1AA",
            "key": str(n),
        }
        for n, (f, s) in enumerate(names)
    ]
    plain = [
        {**row, "forename": f, "surname": s}
        for row, (f, s) in zip(
            rows,
            [
                ("SIAN", "LLYR"),
                ("TWM", "GRUFFYDD MON"),
                ("OLUWASEUN", "ADEBAYO"),
                ("FUNMILAYO", "OGUNLEYE"),
            ],
            strict=True,
        )
    ]
    crowd = pd.read_csv(project.extract("offending"), dtype=str, keep_default_na=False)
    crowd = crowd[["forename", "surname", "dob", "postcode"]].assign(key=[f"c{n}" for n in range(len(crowd))])
    for name, people in (("a", rows), ("b", plain)):
        pd.concat([pd.DataFrame(people), crowd]).to_csv(tmp_path / f"{name}.csv", index=False)
    text = project.schema.read_text()
    for field in ("nino", "upn"):
        text = text.replace(f'kind = "{field}"', f'kind = "{field}"\noptional = true')
    (tmp_path / "schema.toml").write_text(text)
    found = run(
        "rehearse",
        tmp_path / "a.csv",
        tmp_path / "b.csv",
        "--schema",
        tmp_path / "schema.toml",
        "--truth",
        "key",
        "--json",
        "--keep",
        tmp_path / "kept",
    )
    assert found.exit_code == 0, found.output
    assert json.loads(found.stdout)["recall"] > 0.99
    assert json.loads(found.stdout)["precision"] == 1.0
