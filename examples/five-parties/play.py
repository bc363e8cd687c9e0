"""
The whole life of a project, played by five parties in five folders, with every wrong turn refused.

    python examples/five-parties/play.py new-folder

Prints every command before it runs it, and every refusal with its code. Nobody real is in it.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import io
import re
import secrets
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from pseudolink import agreement as agreements
from pseudolink.cli.main import cli
from pseudolink.synthetic import population as synthetic

HERE = Path(__file__).resolve().parent
SCHEMA = HERE.parent / "schemas" / "uk-programme.toml"
CUSTODIANS = ("council", "schools")
UNIT, SAFE = "linkage-unit", "research-environment"
PARTIES = (*CUSTODIANS, UNIT, SAFE, "university")
OBJECTION = "someone of the cohort objects when everything has been delivered"


class Play:
    """The stage: a folder, and the commands that people type in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.refusals: list[str] = []

    def run(self, *arguments: str) -> str:
        """A command that must succeed; what it prints."""
        status, text = self._call(arguments)
        if status not in (0, None):
            raise SystemExit(f"unexpected end of pseudolink {shlex.join(arguments)}\n{text}")
        return text

    def refused(self, code: str, *arguments: str) -> None:
        """A wrong turn: it must be refused, with this code, and leave nothing new."""
        before = self._there()
        status, text = self._call(arguments)
        if status in (0, None) or code not in text:
            raise SystemExit(f"not refused with {code}: pseudolink {shlex.join(arguments)}\n{text}")
        new = self._there() - before
        if new:
            raise SystemExit(f"{code} left {', '.join(sorted(map(str, new)))} behind")
        print(f"  refused: {code}")
        self.refusals.append(code)

    def _there(self) -> set[Path]:
        return {path for path in self.folder.rglob("*") if path.is_file()}

    def _call(self, arguments: tuple[str, ...]) -> tuple[object, str]:
        print("\n$ pseudolink " + shlex.join(arguments), flush=True)
        out = io.StringIO()
        status: object = 0
        with contextlib.chdir(self.folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            try:
                cli.main(list(arguments), prog_name="pseudolink", standalone_mode=True)
            except SystemExit as end:
                status = end.code
        text = out.getvalue()
        print("".join(f"  {line}\n" for line in text.splitlines()[-6:]), end="", flush=True)
        return status, text

    def phrase(self, party: str) -> list[str]:
        """The option with a party's passphrase file."""
        path = self.folder / party / "passphrase"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(secrets.token_urlsafe(24) + "\n", encoding="utf-8")
        return ["--passphrase-file", f"{party}/passphrase"]

    def key(self, party: str) -> list[str]:
        """The options with a party's private key."""
        return ["--key", f"{party}/{party}.party.key", *self.phrase(party)]

    def encode(self, party: str, agreement: str, output: str, *more: str) -> list[str]:
        """Arguments of a delivery."""
        return ["encode", f"{party}/extract.csv", "--agreement", agreement, "--schema", "shared/schema.toml",
                "--keys", party, "--party", party, "-o", output, "--ledger", f"{party}/ledger.jsonl",
                *self.phrase(party), *more]  # fmt: skip

    def link(self, agreement: str, box: str, output: str, *more: str) -> list[str]:
        """Arguments of a linkage of both deliveries."""
        packages = [f"{party}/{box}/{party}.encodings.package" for party in CUSTODIANS]
        return ["link", *packages, "--agreement", agreement, "--schema", "shared/schema.toml", "-o", output,
                "--ledger", f"{UNIT}/ledger.jsonl", *self.key(UNIT), *more]  # fmt: skip

    def release(self, agreement: str, link_map: str, box: str, output: str, *more: str) -> list[str]:
        """Arguments of a release from both payloads."""
        payloads = [f"{party}/{box}/{party}.payload.package" for party in CUSTODIANS]
        return ["release", link_map, *payloads, "--agreement", agreement, "--release-key",
                f"{SAFE}/release.key", "--accept", "-o", output, "--ledger", f"{SAFE}/ledger.jsonl",
                *self.key(SAFE), *more]  # fmt: skip

    @contextlib.contextmanager
    def on(self, day: datetime.date) -> Iterator[None]:
        """Let every command believe that it is this day."""

        class Then(datetime.datetime):
            @classmethod
            def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:  # type: ignore[override]
                return datetime.datetime(day.year, day.month, day.day, 12, tzinfo=tz)

        real = agreements.datetime
        agreements.datetime = Then  # type: ignore[misc]
        print(f"\n# It is {day.isoformat()}.")
        try:
            yield
        finally:
            agreements.datetime = real  # type: ignore[misc]


def act_one(play: Play) -> None:
    """Identities, agreement, ceremony, signatures."""
    folder = play.folder
    people = synthetic.generate(600, seed=7)
    for party in PARTIES:
        (folder / party).mkdir(parents=True)
    for name in ("shared", "table"):
        (folder / name).mkdir()
    (folder / "shared" / "schema.toml").write_bytes(SCHEMA.read_bytes())
    ends = agreements.today_utc() + datetime.timedelta(days=2 * 365)
    decided = f"expires = {ends}\n" + (HERE / "answers.toml").read_text(encoding="utf-8")
    (folder / "shared" / "answers.toml").write_text(decided, encoding="utf-8")
    for party in CUSTODIANS:
        people.extracts[party].to_csv(folder / party / "extract.csv", index=False)
    listed = "".join(f"{one}\n" for one in people.objections)
    (folder / "council" / "objections.txt").write_text(listed, encoding="utf-8")

    print("# Every party makes its keys and hands the public half on.")
    for party in PARTIES:
        play.run("keys", "party", party, "-o", party, *play.phrase(party))
        (folder / party / f"{party}.party.pub").rename(folder / "shared" / f"{party}.party.pub")
    play.refused("PL-OUT-01", "keys", "party", "council", "-o", "council", *play.phrase("council"))
    weak = folder / "council" / "weak"
    weak.touch(mode=0o600)
    weak.write_text("password1234\n")
    play.refused("PL-KEY-02", "keys", "release", "-o", "council/r.key", "--passphrase-file", "council/weak")
    weak.chmod(0o644)
    play.refused("PL-KEY-04", "keys", "release", "-o", "council/r.key", "--passphrase-file", "council/weak")
    weak.unlink()

    print("\n# The agreement, from answers; then everyone reads it and compares fingerprints.")
    init = ["agreement", "init", "-o", "shared/agreement.toml", "--schema", "shared/schema.toml"]
    answers = (folder / "shared" / "answers.toml").read_text(encoding="utf-8")
    bad = answers + '\n[recipients]\nencodings = ["linkage-unit"]\npayload = ["research-environment"]\n'
    bad += 'link_map = ["council"]\nrelease = ["council"]\n'
    (folder / "shared" / "bad.toml").write_text(bad, encoding="utf-8")
    play.refused("PL-AGREE-01", *init, "--answers", "shared/bad.toml")
    play.run(*init, "--answers", "shared/answers.toml")
    play.run("agreement", "check", "shared/agreement.toml", "--schema", "shared/schema.toml")
    play.run("agreement", "show", "shared/agreement.toml", "--html", "shared/agreement.html")
    play.refused("PL-AGREE-04", "agreement", "check", "shared/agreement.toml", "--signed")

    print("\n# The custodians make the linkage key; the linkage unit can take no part.")
    for step in ("contribute", "reveal", "combine"):
        for party in CUSTODIANS:
            if step == "reveal" and party == "council":
                play.refused("PL-KEY-02", *ceremony(play, "council", "reveal", share="schools"))
            output = ["-o", f"{party}/families.linkage.key"] if step == "combine" else []
            play.run(*ceremony(play, party, step), *output)
        if step == "contribute":
            play.refused("PL-AGREE-05", *ceremony(play, UNIT, step))
    for party in CUSTODIANS:
        play.run("keys", "destroy", f"{party}/contribution.key", "--yes", *play.key(party))
    sign(play, "shared/agreement.toml")


def ceremony(play: Play, party: str, step: str, share: str | None = None) -> list[str]:
    """Arguments of a step of the ceremony."""
    return ["keys", "linkage", step, "shared/agreement.toml", *play.key(party), "--secret",
            f"{share or party}/contribution.key", "--table", "table"]  # fmt: skip


def sign(play: Play, agreement: str, *more: str) -> None:
    """Everyone signs, custodians with the linkage key."""
    for party in PARTIES:
        linkage = ["--linkage-key", f"{party}/families.linkage.key"] if party in CUSTODIANS else []
        play.run("agreement", "sign", agreement, *linkage, *play.key(party), *more)
    play.run("agreement", "check", agreement, "--signed")


def act_two(play: Play) -> None:
    """Deliveries, linkage, release; nothing goes back."""
    folder, agreed = play.folder, "shared/agreement.toml"
    listed = ["--objections", "council/objections.txt"]
    for party in CUSTODIANS:
        play.run(*play.encode(party, agreed, f"{party}/outbox", *(listed if party == "council" else [])))
    play.refused("PL-OUT-01", *play.encode("council", agreed, "council/outbox"))
    extra = ["--attributes", "arm,surname"]
    play.refused("PL-AGREE-06", *play.encode("council", agreed, "council/second", *extra))

    print("\n# The linkage unit links. A custodian cannot, and a payload is not for the unit.")
    as_council = play.link(agreed, "outbox", "council/linkage")
    as_council[as_council.index("--key") :] = play.key("council")
    play.refused("PL-AGREE-05", *as_council)
    wrong = ["link", "council/outbox/council.payload.package", *play.link(agreed, "outbox", "x/linkage")[2:]]
    play.refused("PL-AGREE-05", *wrong)
    package = folder / "schools" / "outbox" / "schools.encodings.package"
    whole = package.read_bytes()
    package.write_bytes(whole[:-200] + bytes(200))
    play.refused("PL-SEAL-02", *play.link(agreed, "outbox", f"{UNIT}/linkage"))
    package.write_bytes(whole)
    play.run(*play.link(agreed, "outbox", f"{UNIT}/linkage"))

    print("\n# The research environment releases.")
    play.run("keys", "release", "-o", f"{SAFE}/release.key", *play.phrase(SAFE))
    link_map = f"{UNIT}/linkage/linkmap.package"
    play.run(*play.release(agreed, link_map, "outbox", f"{SAFE}/release"))
    as_council = play.release(agreed, link_map, "outbox", "council/release")
    as_council[as_council.index("--key") :] = play.key("council")
    play.refused("PL-KEY", *as_council)  # the release key does not open under the council's passphrase


def act_three(play: Play) -> list[str]:
    """An objection after transfer, with the family, as the council's policy says."""
    print(f"\n# {OBJECTION}.")
    agreed = "shared/agreement.toml"
    extract = (play.folder / "council" / "extract.csv").read_text(encoding="utf-8").splitlines()
    column = extract[0].split(",").index("programme_id")
    earlier = (play.folder / "council" / "objections.txt").read_text(encoding="utf-8").split()
    chosen = next(row.split(",")[column] for row in extract[1:] if row.split(",")[column] not in earlier)
    (play.folder / "council" / "later.txt").write_text(chosen + "\n", encoding="utf-8")
    package = "council/one.withdrawal.package"
    play.run("withdraw", "council/later.txt", "--index", "council/outbox/council.records.package",
             "--agreement", agreed, *play.key("council"), "-o", package, "--ledger",
             "council/ledger.jsonl")  # fmt: skip
    given = ["--withdrawals", package]
    play.run(*play.link(agreed, "outbox", f"{UNIT}/linkage-2", *given))
    play.refused("PL-WITHDRAW-01", *play.link(agreed, "outbox", f"{UNIT}/linkage-3"))
    play.run(
        *play.release(agreed, f"{UNIT}/linkage-2/linkmap.package", "outbox", f"{SAFE}/release-2", *given)
    )
    old = play.release(agreed, f"{UNIT}/linkage/linkmap.package", "outbox", f"{SAFE}/release-3", *given)
    play.refused("PL-SEAL-04", *old)
    return [chosen, *earlier]


def act_four(play: Play, objecting: list[str]) -> datetime.date:
    """An amendment that extends the term; packages of before open under neither version."""
    print("\n# The parties agreed on two years at first, and extend; five years are the most.")
    folder = play.folder
    play.run("agreement", "init", "-o", "shared/agreement-2.toml", "--amends", "shared/agreement.toml")
    path = folder / "shared" / "agreement-2.toml"
    text = path.read_text(encoding="utf-8")
    last = agreements.load_agreement(folder / "shared" / "agreement.toml").expires
    end = last + datetime.timedelta(days=365)
    longer = last + datetime.timedelta(days=4 * 365)
    path.write_text(text.replace(f"expires = {last}", f"expires = {longer}"), encoding="utf-8")
    play.refused("PL-AGREE-01", "agreement", "check", "shared/agreement-2.toml")
    other = text.replace("No decision about a person.", "And casework.")
    path.write_text(other, encoding="utf-8")
    play.refused(
        "PL-AGREE-01", "agreement", "check", "shared/agreement-2.toml", "--amends", "shared/agreement.toml"
    )
    path.write_text(text.replace(f"expires = {last}", f"expires = {end}"), encoding="utf-8")
    sign(play, "shared/agreement-2.toml", "--amends", "shared/agreement.toml")
    play.refused("PL-AGREE-07", *play.encode("council", "shared/agreement.toml", "council/late"))
    play.refused("PL-AGREE-02", *play.link("shared/agreement-2.toml", "outbox", f"{UNIT}/linkage-4"))
    (folder / "council" / "objections.txt").write_text("\n".join(objecting) + "\n", encoding="utf-8")
    for party in CUSTODIANS:
        listed = ["--objections", "council/objections.txt"] if party == "council" else []
        play.run(*play.encode(party, "shared/agreement-2.toml", f"{party}/outbox-2", *listed))
    play.run(*play.link("shared/agreement-2.toml", "outbox-2", f"{UNIT}/linkage-5"))
    play.refused("PL-AGREE", *play.link("shared/agreement-2.toml", "outbox", f"{UNIT}/linkage-6"))
    return end


def act_five(play: Play, end: datetime.date) -> None:
    """The reviewer looks; then the term ends, and everything is destroyed."""
    ledgers = [f"{party}/ledger.jsonl" for party in (*CUSTODIANS, UNIT, SAFE)]
    play.run("ledger", "verify", *ledgers, "--agreement", "shared/agreement-2.toml")
    play.run("keys", "audit", ".", "--html", "shared/keys.html")
    stray = play.folder / UNIT / "stray.txt"
    shutil.copyfile(play.folder / "council" / "families.linkage.key", stray)
    play.refused("must not hold", "keys", "audit", ".")
    stray.unlink()
    with play.on(end + datetime.timedelta(days=1)):
        play.refused("PL-AGREE-03", *play.encode("council", "shared/agreement-2.toml", "council/late"))
        play.refused("PL-AGREE-03", *play.link("shared/agreement-2.toml", "outbox-2", f"{UNIT}/late"))
        for party in PARTIES:
            for name in ("agreement.toml", "agreement-2.toml"):
                shutil.copyfile(play.folder / "shared" / name, play.folder / party / name)
            under = ["--agreement", "shared/agreement-2.toml"]
            play.run("expire", party, "--destroy", *under, "--yes", *play.key(party))
            certificate = f"{party}/{party}.party.key.destroyed.json"
            play.run("keys", "certificate", certificate, "--agreement", "shared/agreement-2.toml")
        left = [
            path.name for path in play.folder.rglob("*") if re.search(r"\.(key|package|parquet)$", path.name)
        ]
        if left:
            raise SystemExit(f"still there: {', '.join(left)}")
    play.run("ledger", "verify", *ledgers, "--agreement", "shared/agreement-2.toml")


def main(folder: Path) -> list[str]:
    """Every act; the codes of what was refused."""
    play = Play(folder.resolve())
    play.folder.mkdir(parents=True)
    act_one(play)
    act_two(play)
    objecting = act_three(play)
    end = act_four(play, objecting)
    act_five(play, end)
    print(f"\nplayed to the end; {len(play.refusals)} wrong turns refused")
    return play.refusals


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="a new folder")
    main(parser.parse_args().folder)
    sys.exit(0)
