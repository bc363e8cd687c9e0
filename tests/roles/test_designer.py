"""schema plan: from extracts to a schema file, without truth."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from pseudolink.cli.main import cli
from pseudolink.encode.planning import Chosen
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


def chosen(on, gained, alone):
    return Chosen(tuple(on), gained, 0.9, 0.001, 0.01, 1, alone)


NARROW = [chosen(["forename", "surname", "dob.year"], 0.01 / (n + 1), 0.001) for n in range(20)]
#: 16 bytes for the ID and 16 a pass; a filter of forename, surname and date takes 80 bytes more.
TOKENS = 16 + 16 * 21


@pytest.mark.parametrize(
    ("alone", "room", "passes", "bits"),
    [
        (0.02, 2048, 21, 256),  # there is room for all
        (0.0009, 2048, 21, None),  # next to nothing rests on the number: nothing to decide
        (0.02, TOKENS + 80, 21, 256),
        (0.02, TOKENS + 64, 20, 256),  # one pass makes room
        (0.0025, TOKENS, 18, 128),  # five passes add more than is decided, three add less
        (0.001, TOKENS, 21, None),  # passes are worth more than filters of any size
    ],
)
def test_filters_are_carried_where_they_decide_more_than_the_passes_they_displace_find(
    folder, alone, room, passes, bits
):
    design = load_schema(folder / "fields.toml", passes_needed=False)
    number = chosen(["nino.stem"], 0.3, alone)
    kept, filters = designer._with_filters([number, *NARROW], design, room)
    assert len(kept) == passes
    if bits is None:
        assert not filters.passes
    else:
        assert filters.passes == {("nino.stem",)}
        assert filters.compare == ("forename", "surname", "dob")
        assert filters.sizes["forename"][0] == bits


def test_passes_on_several_components_compare_nothing(folder):
    found = designer.plan([folder / "council.csv"], folder / "fields.toml", company=0.02)
    assert all(not one.compare for one in found.schema.passes if len(one.on) > 1)
    (number,) = [one for one in found.passes if one.on == ("nino.stem",)]
    (planned,) = [one for one in found.schema.passes if one.on == ("nino.stem",)]
    assert bool(planned.compare) == (number.alone >= 0.001)


def test_more_careful_files_are_expected_to_agree_more_and_more_careless_ones_less(folder):
    found = designer.plan([folder / "council.csv"], folder / "fields.toml", most_passes=12)
    stated = found.to_json()
    usual = stated["expected_recall"]
    assert stated["expected_recall_careful"] > usual > stated["expected_recall_careless"]
    for share in (found.careful, usual, found.careless):
        assert f"{share:.1%}" in found.text


def test_a_postcode_that_hundreds_have_does_not_break_the_plan(folder, tmp_path):
    """Default-postcode attack on the floor: a value that stands out is missing for the planner too."""
    import pandas as pd

    table = pd.read_csv(folder / "council.csv", dtype=str, keep_default_na=False)
    table.loc[::8, "postcode"] = "DH1 1AA"
    table.to_csv(tmp_path / "council.csv", index=False)
    found = designer.plan([tmp_path / "council.csv"], folder / "fields.toml", most_passes=30)
    assert found.passes[-1].company <= 0.05
    assert found.passes[-1].recall > 0.9


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


def test_a_population_too_large_for_the_floor_is_refused(folder, tmp_path):
    """Without a number, that is: a number is one person's in any population."""
    names = tmp_path / "names.toml"
    names.write_text(FIELDS.split("[fields.nino]")[0])
    with pytest.raises(LinkageError):
        designer.plan([folder / "council.csv"], names, population=10**9, company=0.0001)


def test_a_cohort_can_plan_for_a_country(folder):
    """A thousand people of families, for six hundred thousand: numbers and some narrow passes."""
    found = designer.plan([folder / "council.csv"], folder / "fields.toml", population=600_000)
    assert ("nino.stem",) in {one.on for one in found.passes}
    assert len(found.passes) > 3
    assert found.passes[-1].company <= 0.05


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
