"""schema plan: from extracts to a schema file, without truth."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from pseudolink.cli.main import cli
from pseudolink.errors import LinkageError, SchemaError, UsageError
from pseudolink.roles import designer
from pseudolink.schema import load_schema
from pseudolink.synthetic.population import generate

FIELDS = """
format = "pseudolink/linkage-schema/1"
name = "planned"
[fields.forename]
kind = "forename"
columns = ["forename"]
[fields.surname]
kind = "surname"
columns = ["surname"]
[fields.dob]
kind = "date"
columns = ["dob"]
[fields.postcode]
kind = "postcode"
columns = ["postcode"]
[fields.nino]
kind = "nino"
columns = ["nino"]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("plan")
    population = generate(2500, 4)
    population.extracts["council"].to_csv(place / "council.csv", index=False)
    (place / "fields.toml").write_text(FIELDS)
    return place


def run(*arguments):
    return CliRunner().invoke(cli, ["schema", "plan", *map(str, arguments)])


def test_a_plan_is_a_schema_that_keeps_to_its_limits(folder, tmp_path):
    out = tmp_path / "schema.toml"
    result = run(
        folder / "council.csv", "--schema", folder / "fields.toml", "--company", "0.02", "-o", out, "--json"
    )
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    schema = load_schema(out)
    assert schema.digest == found["digest"]
    assert float(schema.floor.company) == 0.02
    assert found["company"] <= 0.02
    assert found["expected_recall"] > 0.8
    assert found["bytes_per_record"] == 16 + sum(16 + width for width in schema.layout.values())
    assert [list(one.on) for one in schema.passes] == [one["on"] for one in found["passes"]]


def test_a_pass_on_a_number_alone_compares_names_and_date_too(folder):
    found = designer.plan([folder / "council.csv"], folder / "fields.toml", company=0.05)
    (number,) = [one for one in found.schema.passes if one.on == ("nino.stem",)]
    assert number.compare == ("forename", "surname", "dob")
    assert all(not one.compare for one in found.schema.passes if one is not number)


def test_the_same_seed_gives_the_same_bytes(folder):
    one, again = (
        designer.plan([folder / "council.csv"], folder / "fields.toml", seed=9, most_passes=8) for _ in "12"
    )
    assert one.text == again.text


def test_bytes_a_record_limit_the_passes(folder):
    found = designer.plan([folder / "council.csv"], folder / "fields.toml", bytes_per_record=300)
    assert found.bytes_per_record <= 300


def test_too_few_bytes_are_refused(folder):
    with pytest.raises(UsageError):
        designer.plan([folder / "council.csv"], folder / "fields.toml", bytes_per_record=20)


def test_a_population_too_large_for_the_floor_is_refused(folder):
    with pytest.raises(LinkageError):
        designer.plan([folder / "council.csv"], folder / "fields.toml", population=10**9, company=0.0001)


def test_rates_of_the_schema_replace_the_defaults(folder, tmp_path):
    easy = tmp_path / "easy.toml"
    rates = {"typing": 0.0, "sound": 0.0, "moved": 0.0, "missing": 0.0, "postcode": 0.0}
    easy.write_text(FIELDS + "[errors]\n" + "".join(f"{k} = {v}\n" for k, v in rates.items()))
    better = designer.plan([folder / "council.csv"], easy, most_passes=10)
    usual = designer.plan([folder / "council.csv"], folder / "fields.toml", most_passes=10)
    assert better.passes[-1].recall > usual.passes[-1].recall
    assert better.schema.digest != usual.schema.digest or better.passes != usual.passes


def test_unknown_rates_are_refused_with_their_places(folder, tmp_path):
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(FIELDS + "[errors]\ntypos = 0.1\ntyping = 7\n")
    with pytest.raises(SchemaError) as caught:
        designer.plan([folder / "council.csv"], wrong)
    assert "errors.typing" in caught.value.message


def test_columns_beside_the_fields_are_never_read(folder, tmp_path):
    """A truth column in the extract changes nothing of the plan."""
    import pandas as pd

    table = pd.read_csv(folder / "council.csv", dtype=str, keep_default_na=False)
    table["truth"] = range(len(table))
    table.to_csv(tmp_path / "council.csv", index=False)
    with_truth = designer.plan([tmp_path / "council.csv"], folder / "fields.toml", most_passes=5)
    without = designer.plan([folder / "council.csv"], folder / "fields.toml", most_passes=5)
    assert with_truth.text == without.text


def test_an_output_that_is_there_is_not_overwritten(folder, tmp_path):
    out = tmp_path / "schema.toml"
    out.write_text("mine")
    result = run(folder / "council.csv", "--schema", folder / "fields.toml", "-o", out)
    assert result.exit_code == 1
    assert "PL-OUT-01" in result.stderr
    assert out.read_text() == "mine"


def test_a_refusal_leaves_no_output(folder, tmp_path):
    out = tmp_path / "schema.toml"
    result = run(folder / "fields.toml", "--schema", folder / "fields.toml", "-o", out)
    assert result.exit_code == 1
    assert not out.exists()


def test_fields_come_out_as_they_went_in(folder, tmp_path):
    """Further columns, formats and options too: a plan changes passes and the floor alone."""
    fields = tmp_path / "fields.toml"
    text = FIELDS.replace('columns = ["forename"]', 'columns = ["forename"]\nalso = ["known_as"]')
    fields.write_text(
        text.replace('columns = ["dob"]', 'columns = ["dob"]\nformats = ["%Y%m%d"]\noptional = true')
    )
    found = designer.plan([folder / "council.csv"], fields, most_passes=3)
    assert found.schema.fields == load_schema(fields, passes_needed=False).fields
