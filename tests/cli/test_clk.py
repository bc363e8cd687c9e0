from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from pseudolink.cli.main import cli
from pseudolink.encode import diffusion
from pseudolink.interop import clkhash
from pseudolink.interop.files import read_binary, read_json, write_json
from pseudolink.keys import vault
from pseudolink.keys.linkage import LinkageKey

SECRET = "a secret that nobody guesses"
PASSPHRASE = "correct horse battery"


def schema(bits: int = 300, **config: int) -> dict[str, object]:
    name = {
        "identifier": "name",
        "format": {"type": "string", "case": "upper"},
        "hashing": {"comparison": {"type": "ngram", "n": 2}, "strategy": {"bitsPerFeature": bits}},
    }
    kdf = {"type": "HKDF"}
    return {"version": 3, "clkConfig": {"l": 1024, "kdf": kdf} | config, "features": [name, name]}


ROWS = [["ANNA", "SMITH"], ["BOB", ""], ["ZOË", "O'NEILL"]]


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vault, "_COST", vault.Cost(1, 1, 8))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "clk.json").write_text(json.dumps(schema()))
    (tmp_path / "secret").write_bytes(SECRET.encode() + b"\r\nanother line\n")
    (tmp_path / "pass").write_text(PASSPHRASE + "\n")
    (tmp_path / "pass").chmod(0o600)
    lines = ["name,name", *(",".join(row) for row in ROWS)]
    (tmp_path / "rows.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    LinkageKey(bytes(range(32))).save(tmp_path / "linkage.key", PASSPHRASE)
    return tmp_path


def run(*args: str | Path, code: int = 0, given: str | None = None) -> Result:
    result = CliRunner().invoke(cli, ["clk", *(str(arg) for arg in args)], input=given)
    assert code == result.exit_code, result.output
    assert SECRET not in result.output
    assert PASSPHRASE not in result.output
    return result


def encode(folder: Path, *more: str | Path, code: int = 0) -> Result:
    files = ["--schema", folder / "clk.json", "--secret-file", folder / "secret"]
    return run("encode", folder / "rows.csv", *files, "-o", folder / "out", *more, code=code)


def test_encode_writes_what_the_library_makes(folder: Path) -> None:
    expected = clkhash.encode(ROWS, schema(), SECRET)
    result = json.loads(encode(folder, "--json").stdout)
    assert np.array_equal(expected, read_json(folder / "out").clks)
    counts = np.bitwise_count(expected).sum(axis=1)
    assert (result["rows"], result["bits"], result["notes"]) == (3, 1024, [])
    assert result["bits_set_mean"] == pytest.approx(counts.mean(), abs=1e-3)
    assert result["bits_set_deviation"] == pytest.approx(counts.std(), abs=1e-3)


@pytest.mark.parametrize("form", ["bare", "indexed", "counted"])
def test_encode_writes_the_binary_forms(folder: Path, form: str) -> None:
    encode(folder, "--format", form)
    found, _ = read_binary(folder / "out", size=128, form=form)
    assert np.array_equal(clkhash.encode(ROWS, schema(), SECRET), found)


def test_a_prompt_asks_for_the_secret_and_does_not_show_it(folder: Path) -> None:
    run(
        "encode",
        folder / "rows.csv",
        "--schema",
        folder / "clk.json",
        "-o",
        folder / "out",
        given=SECRET + "\n",
    )
    assert np.array_equal(clkhash.encode(ROWS, schema(), SECRET), read_json(folder / "out").clks)


def test_the_secret_is_never_an_argument(folder: Path) -> None:
    encode(folder, "--secret", SECRET[:8], code=2)
    assert not (folder / "out").exists()


@pytest.mark.parametrize("secret", [b"", b"\nsecond line\n", b"x" * (1 << 16)])
def test_a_secret_that_is_none_is_refused(folder: Path, secret: bytes) -> None:
    (folder / "secret").write_bytes(secret)
    assert "PL-KEY-01" in encode(folder, code=1).stderr
    assert not (folder / "out").exists()


def test_a_short_secret_is_warned_of(folder: Path) -> None:
    (folder / "secret").write_text("short\n")
    assert "shorter than 16 bytes" in encode(folder).stderr


def test_bad_rows_leave_no_output_and_show_no_cell(folder: Path) -> None:
    (folder / "rows.csv").write_text("name,name\nANNA,SMITH\nprivate,SMITH\nANNA,hidden\n")
    result = encode(folder, "--json", code=1)
    error = json.loads(result.stderr)["error"]
    assert error["code"] == "PL-CLEAN-02"
    assert [p["place"] for p in error["problems"]] == ["row 2, field 'name'", "row 3, field 'name'"]
    assert "private" not in result.output
    assert "hidden" not in result.output
    assert result.stdout == ""
    assert sorted(p.name for p in folder.iterdir()) == [
        "clk.json",
        "linkage.key",
        "pass",
        "rows.csv",
        "secret",
    ]


def test_without_validation_the_same_rows_are_encoded(folder: Path) -> None:
    (folder / "rows.csv").write_text("name,name\nprivate,SMITH\n")
    encode(folder, "--no-validate")
    assert len(read_json(folder / "out").clks) == 1


def test_headers_are_checked_ignored_or_not_there(folder: Path) -> None:
    (folder / "rows.csv").write_text("FIRST,LAST\nANNA,SMITH\n")
    assert "PL-INPUT-03" in encode(folder, code=1).stderr
    encode(folder, "--header", "ignore")
    assert len(read_json(folder / "out").clks) == 1
    (folder / "out").unlink()
    encode(folder, "--header", "none")
    assert len(read_json(folder / "out").clks) == 2


def test_an_existing_output_stays(folder: Path) -> None:
    (folder / "out").write_text("mine")
    assert "PL-OUT-01" in encode(folder, code=1).stderr
    assert (folder / "out").read_text() == "mine"


def test_it_is_said_which_folds_are_read(folder: Path) -> None:
    (folder / "clk.json").write_text(json.dumps(schema(xorFolds=1)))
    assert "xorFolds (1) is not read" in encode(folder).stderr
    (folder / "out").unlink()
    result = encode(folder, "--documented-folds", "--json")
    assert json.loads(result.stdout)["folds"] == 1
    assert np.array_equal(clkhash.encode(ROWS, schema(xor_folds=1), SECRET), read_json(folder / "out").clks)


def diffuse(folder: Path, *more: str | Path, code: int = 0, project: str = "families") -> Result:
    files = ["--schema", folder / "clk.json", "--linkage-key", folder / "linkage.key"]
    files += ["--passphrase-file", folder / "pass"]
    return run(
        "diffuse", folder / "clks", *files, "--project", project, "-o", folder / "out", *more, code=code
    )


def clks_half_full() -> np.ndarray:
    return np.packbits(np.random.default_rng(4).random((5, 1024)) < 0.47, axis=1)


def test_diffuse_takes_its_sets_from_the_linkage_key(folder: Path) -> None:
    clks = clks_half_full()
    write_json(folder / "clks", [clks], blocks=[["1"], ["2", "3"], [], ["4"], ["5"]])
    result = json.loads(diffuse(folder, "--json").stdout)
    digest = hashlib.sha256((folder / "clk.json").read_bytes()).hexdigest()
    key = LinkageKey(bytes(range(32))).derive("diffusion", "pseudolink/clk/1", "families", digest)
    found = read_json(folder / "out")
    assert np.array_equal(diffusion.diffuse(clks, key)[0], found.clks)
    assert found.blocks == (("1",), ("2", "3"), (), ("4",), ("5",))
    assert (result["rows"], result["bits"], result["leaning_records"]) == (5, 2048, 0)


@pytest.mark.parametrize("changed", ["project", "schema"])
def test_another_project_or_schema_diffuses_otherwise(folder: Path, changed: str) -> None:
    write_json(folder / "clks", [clks_half_full()])
    diffuse(folder)
    first = read_json(folder / "out").clks
    (folder / "out").unlink()
    if changed == "schema":
        (folder / "clk.json").write_text(json.dumps(schema(301)))
    diffuse(folder, project="other" if changed == "project" else "families")
    assert not np.array_equal(first, read_json(folder / "out").clks)


def test_binary_clks_are_diffused_in_the_order_of_their_indices(folder: Path) -> None:
    clks = clks_half_full()
    rows = [i.to_bytes(4, "big") + row.tobytes() for i, row in enumerate(clks)]
    (folder / "clks").write_bytes(b"".join(reversed(rows)))
    diffuse(folder, "--format", "indexed")
    found, index = read_binary(folder / "out", size=256, form="indexed")
    assert index.tolist() == [0, 1, 2, 3, 4]
    (folder / "out").unlink()
    write_json(folder / "json", [clks])
    (folder / "clks").write_bytes((folder / "json").read_bytes())
    diffuse(folder)
    assert np.array_equal(read_json(folder / "out").clks, found)
    (folder / "out").unlink()
    (folder / "clks").write_bytes(rows[0] + (9).to_bytes(4, "big") + rows[1][4:])
    assert "PL-USE-01" in diffuse(folder, "--format", "indexed", code=1).stderr


def test_clks_that_are_too_empty_are_not_diffused(folder: Path) -> None:
    write_json(folder / "clks", [np.zeros((3, 128), dtype=np.uint8)])
    result = diffuse(folder, code=1)
    assert "PL-FLOOR-01" in result.stderr
    assert not (folder / "out").exists()


def test_match_links_what_encode_made(folder: Path) -> None:
    encode(folder)
    result = run("match", folder / "out", folder / "out", "--threshold", "0.9", "-o", folder / "links.csv")
    assert "3 links one to one" in result.stdout
    assert (folder / "links.csv").read_text() == "left,right,dice\n0,0,1\n1,1,1\n2,2,1\n"


def test_match_prints_counts_for_programs(folder: Path) -> None:
    encode(folder, "--format", "bare")
    given = [
        "match",
        folder / "out",
        folder / "out",
        "--threshold",
        "4/5",
        "--format",
        "bare",
        "--size",
        "128",
    ]
    result = json.loads(run(*given, "--json", "--all", "-o", folder / "pairs.parquet").stdout)
    assert (result["left"], result["right"], result["bits"], result["blocks"]) == (3, 3, 1024, False)
    assert (result["candidates"], result["written"], result["ambiguous"]) == (3, 3, 0)


@pytest.mark.parametrize("threshold", ["0", "1.5", "nan", "much"])
def test_match_refuses_what_is_no_threshold(threshold: str, folder: Path) -> None:
    encode(folder)
    output = folder / "links.csv"
    result = run("match", folder / "out", folder / "out", "--threshold", threshold, "-o", output, code=1)
    assert "PL-USE-01" in result.stderr
    assert not output.exists()
