from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from parties_in_memory import ROLES, key_of
from project_on_disk import run

from pseudolink.agreement import load_agreement
from pseudolink.cli.main import cli

SCHEMA = Path(__file__).parents[2] / "examples/schemas/uk-programme.toml"


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    """Answers of five parties, each with its public key file beside them."""
    lines = ['project = "Teulu ac ìdílé"', 'purpose = "Research."', 'objections = "By post."']
    for name, role in ROLES.items():
        (tmp_path / f"{name}.party.pub").write_text(key_of(name).public.to_toml())
        lines += ["[[parties]]", f'public = "{name}.party.pub"', f'name = "The {name}"', f'role = "{role}"']
        if role == "custodian":
            lines += [f"cohort = {str(name == 'council').lower()}", 'fields = ["forename", "dob"]']
    path = tmp_path / "answers.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_answers_become_an_agreement_without_problems(answers: Path) -> None:
    assert (
        run(
            "agreement", "init", "-o", answers.parent / "a.toml", "--schema", SCHEMA, "--answers", answers
        ).exit_code
        == 0
    )
    found = load_agreement(answers.parent / "a.toml")
    assert found.project == "Teulu ac ìdílé"
    assert found.reviews
    assert found.recipients["release"] == ("university",)
    assert run("agreement", "check", answers.parent / "a.toml", "--schema", SCHEMA).exit_code == 0


def test_wrong_answers_are_all_named_and_nothing_is_written(answers: Path) -> None:
    text = answers.read_text(encoding="utf-8")
    text = text.replace('purpose = "Research."', 'purpose = ""').replace(
        'role = "operator"', 'role = "custodian"'
    )
    answers.write_text(text, encoding="utf-8")
    done = run("agreement", "init", "-o", answers.parent / "a.toml", "--schema", SCHEMA, "--answers", answers)
    assert done.exit_code == 1
    for place in ("purpose", "parties[3].fields"):
        assert place in done.stderr
    assert not (answers.parent / "a.toml").exists()


def test_questions_become_an_agreement(answers: Path) -> None:
    typed = ["families", "Research.", "", "", "By post."]
    for name, role in ROLES.items():
        typed += [str(answers.parent / f"{name}.party.pub"), f"The {name}", role]
        if role == "custodian":
            typed += ["y" if name == "council" else "n", "forename, dob", "arm", "family"]
    target = answers.parent / "asked.toml"
    arguments = ["agreement", "init", "-o", str(target), "--ask", "--schema", str(SCHEMA)]
    done = CliRunner().invoke(cli, arguments, input="\n".join([*typed, ""]) + "\n")
    assert done.exit_code == 0, done.output
    found = load_agreement(target)
    assert found.cohort.objections == "family"
    assert found.cohort.attributes == ("arm",)


def test_a_draft_with_problems_is_kept_so_that_nothing_is_typed_twice(answers: Path) -> None:
    target = answers.parent / "asked.toml"
    typed = "families\nResearch.\n\n\nBy post.\n\n"
    done = CliRunner().invoke(
        cli, ["agreement", "init", "-o", str(target), "--ask", "--schema", str(SCHEMA), "--json"], input=typed
    )
    assert done.exit_code == 0
    assert json.loads(done.stdout)["problems"]
    assert 'project = "families"' in target.read_text()


def test_the_next_version_keeps_every_term_until_somebody_edits_it(answers: Path) -> None:
    folder = answers.parent
    run("agreement", "init", "-o", folder / "a.toml", "--schema", SCHEMA, "--answers", answers)
    assert run("agreement", "init", "-o", folder / "b.toml", "--amends", folder / "a.toml").exit_code == 0
    assert run("agreement", "init", "-o", folder / "c.toml", "--amends", folder / "b.toml").exit_code == 0
    first, third = load_agreement(folder / "a.toml"), load_agreement(folder / "c.toml")
    assert (third.version, third.first_transfer) == (3, first.starts)
    assert third.amends == load_agreement(folder / "b.toml").digest
    done = run("agreement", "check", folder / "c.toml", "--amends", folder / "a.toml")
    assert "version" in done.stderr


def test_the_page_shows_every_party_and_escapes_what_others_wrote(answers: Path) -> None:
    folder = answers.parent
    answers.write_text(
        answers.read_text(encoding="utf-8").replace("Research.", "<script>alert(1)</script>"),
        encoding="utf-8",
    )
    run("agreement", "init", "-o", folder / "a.toml", "--schema", SCHEMA, "--answers", answers)
    done = run("agreement", "show", folder / "a.toml", "--html", folder / "a.html")
    assert done.exit_code == 0
    page = (folder / "a.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "Not usable" in page
    for name in ROLES:
        assert key_of(name).public.fingerprint in page
        assert key_of(name).public.fingerprint in done.stdout
