"""``pseudolink clk``: CLKs as clkhash makes them, for projects that use them already."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from pseudolink.cli.common import (
    NEW_PATH,
    READABLE,
    ask_passphrase,
    emit,
    json_option,
    passphrase_option,
    progress,
    refusals,
    say,
)
from pseudolink.errors import KeyFileError, UsageError

FORMATS = ("json", "bare", "indexed", "counted")
ENGINES = ("pseudolink", "numpy", "anonlink")
HEADERS: dict[str, bool | str] = {"check": True, "ignore": "ignore", "none": False}

_LONGEST_SECRET = 1 << 16
_SHORT_SECRET = 16

format_option = click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="json",
    show_default=True,
    help="json: anonlink-client's. bare, indexed, counted: the entity service's binary forms.",
)


@click.group()
def clk() -> None:
    """Make CLKs bit for bit as clkhash 0.18.3 does, and match them. Under an agreement, diffuse them.

    A CLK lets every record be compared with every other: where the parties are free to choose,
    use the passes of `pseudolink encode` instead.
    """


def _secret(file: Path | None) -> bytes:
    """The first line of the file, without its line end, or what a prompt is told."""
    if file is None:
        answer: str = click.prompt("Secret", hide_input=True, err=True)
        raw = answer.encode("utf-8", errors="surrogateescape")
    else:
        try:
            with file.open("rb") as stream:
                raw = stream.readline(_LONGEST_SECRET + 1).rstrip(b"\r\n")
        except OSError as error:
            raise KeyFileError(f"{file.name}: {error.strerror or type(error).__name__}") from None
    if not raw:
        raise KeyFileError("the secret is empty")
    if len(raw) >= _LONGEST_SECRET:
        raise KeyFileError(f"the secret has {_LONGEST_SECRET:,} bytes or more")
    if len(raw) < _SHORT_SECRET:
        say(f"the secret is shorter than {_SHORT_SECRET} bytes: whoever gets the CLKs can try to guess it")
    return raw


class _Fill:
    """Counts the bits set of CLKs as they pass."""

    def __init__(self) -> None:
        self.rows = 0
        self.bits = 0
        self.squares = 0

    def watch(self, chunks: Iterable[Any]) -> Iterator[Any]:
        import numpy as np

        for chunk in chunks:
            counts = np.bitwise_count(chunk).sum(axis=1, dtype=np.int64)
            self.rows += len(counts)
            self.bits += int(counts.sum())
            self.squares += int((counts * counts).sum())
            yield chunk

    def mean_and_deviation(self) -> tuple[float, float]:
        rows = max(self.rows, 1)
        mean = self.bits / rows
        return mean, max(self.squares / rows - mean * mean, 0.0) ** 0.5


@clk.command(
    epilog="Example: pseudolink clk encode people.csv --schema clk.json --secret-file secret -o clks.json"
)
@click.argument("rows", type=READABLE)
@click.option(
    "--schema", type=READABLE, required=True, help="clkhash linkage schema, version 1, 2 or 3 (JSON)."
)
@click.option(
    "--secret-file",
    type=READABLE,
    help="File whose first line is the secret; without it a prompt asks. Never an argument.",
)
@click.option("-o", "--output", type=NEW_PATH, required=True, help="New file for the CLKs.")
@click.option(
    "--header",
    type=click.Choice(list(HEADERS)),
    default="check",
    show_default=True,
    help="Of the CSV file: check its names, ignore them, or there is none.",
)
@click.option(
    "--no-validate", is_flag=True, help="Skip the checks that encoding does not need, as clkhash can."
)
@click.option(
    "--documented-folds",
    is_flag=True,
    help="Read xorFolds as clkhash documents it; clkhash itself reads xor_folds only.",
)
@format_option
@json_option
@refusals
def encode(
    rows: Path,
    schema: Path,
    secret_file: Path | None,
    output: Path,
    header: str,
    no_validate: bool,
    documented_folds: bool,
    form: str,
    as_json: bool,
) -> None:
    """Encode ROWS, a CSV file in UTF-8 whose columns are the features of the schema, in order."""
    from pseudolink.files import refuse_existing
    from pseudolink.interop import clkhash, files

    read = clkhash.load_schema(schema, documented_folds=documented_folds)
    refuse_existing(output)
    for note in read.notes:
        say(note)
    fill = _Fill()
    chunks = fill.watch(
        clkhash.encode_chunks(
            rows, read, _secret(secret_file), header=HEADERS[header], validate=not no_validate
        )
    )
    count = (
        files.write_json(output, chunks) if form == "json" else files.write_binary(output, chunks, form=form)
    )
    mean, deviation = fill.mean_and_deviation()
    result = {
        "rows": count,
        "bits": read.bits,
        "folds": read.folds,
        "bits_set_mean": round(mean, 3),
        "bits_set_deviation": round(deviation, 3),
        "notes": list(read.notes),
        "output": str(output),
    }
    text = (
        f"encoded {count:,} records, {read.bits:,} bits each; "
        f"{mean:,.1f} set on average, deviation {deviation:,.1f}\n{output}"
    )
    emit(result, text, as_json=as_json)


@clk.command(
    epilog="Example: pseudolink clk diffuse clks.json --schema clk.json --project families "
    "--linkage-key keys/linkage.key -o diffused.json"
)
@click.argument("clks", type=READABLE)
@click.option(
    "--schema", type=READABLE, required=True, help="The schema that made them; the same file everywhere."
)
@click.option("--project", required=True, metavar="ID", help="As the agreement calls it.")
@click.option("--linkage-key", type=READABLE, required=True, help="Key file that the custodians share.")
@click.option("-o", "--output", type=NEW_PATH, required=True, help="New file for the diffused CLKs.")
@format_option
@passphrase_option
@json_option
@refusals
def diffuse(
    clks: Path,
    schema: Path,
    project: str,
    linkage_key: Path,
    output: Path,
    form: str,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Diffuse CLKS of 1,024 bits, near half of them set, to 2,048 bits that belong to no name."""
    from pseudolink.encode import diffusion
    from pseudolink.files import refuse_existing
    from pseudolink.interop import clkhash, files
    from pseudolink.keys.linkage import LinkageKey

    clkhash.load_schema(schema)
    digest = hashlib.sha256(schema.read_bytes()).hexdigest()
    refuse_existing(output)
    blocks = None
    if form == "json":
        inner, blocks = (found := files.read_json(clks)).clks, found.blocks
    else:
        inner, index = files.read_binary(clks, size=diffusion.INNER_BITS // 8, form=form)
        inner = inner[index.argsort(kind="stable")]
        if int(index.max()) >= len(index):
            raise UsageError("the indices of the CLKs are not 0, 1, 2 and so on; number them anew first")
    secret = LinkageKey.load(linkage_key, ask_passphrase(passphrase_file))
    key = secret.derive(diffusion.LABEL, diffusion.VERSION, project, digest)
    outer, fill = diffusion.diffuse(inner, key)
    if form == "json":
        files.write_json(output, [outer], blocks=blocks)
    else:
        files.write_binary(output, [outer], form=form)
    result = {
        "rows": fill.rows,
        "bits": diffusion.OUTER_BITS,
        "median_fill": round(fill.median, 6),
        "lean": fill.lean,
        "leaning_records": fill.leaning,
        "output": str(output),
    }
    text = (
        f"diffused {fill.rows:,} CLKs; {fill.median:.1%} of the bits of the median record were set; "
        f"{fill.leaning:,} records lean by more than {diffusion.MOST_LEAN}\n{output}"
    )
    emit(result, text, as_json=as_json)


@clk.command(epilog="Example: pseudolink clk match left.json right.json --threshold 0.8 -o links.csv")
@click.argument("left", type=READABLE)
@click.argument("right", type=READABLE)
@click.option("--threshold", required=True, help="Least Dice coefficient, such as 0.8 or 4/5; exact.")
@click.option("-o", "--output", type=NEW_PATH, required=True, help="New .csv or .parquet file of pairs.")
@click.option(
    "--all", "everything", is_flag=True, help="Write every pair that reaches the threshold, unresolved."
)
@click.option(
    "--best",
    type=click.IntRange(min=1),
    metavar="K",
    help="Consider only the K best pairs of each left record, and what ties with the last of them.",
)
@format_option
@click.option("--size", type=click.IntRange(min=1), metavar="BYTES", help="Of a CLK, in the binary forms.")
@click.option(
    "--engine",
    type=click.Choice(ENGINES),
    default="pseudolink",
    show_default=True,
    help="All give the same result. numpy: the reference. anonlink: its own code, where installed.",
)
@click.option("--threads", type=click.IntRange(min=1), help="Default: as many as there are processors.")
@json_option
@refusals
def match(
    left: Path,
    right: Path,
    threshold: str,
    output: Path,
    everything: bool,
    best: int | None,
    form: str,
    size: int | None,
    engine: str,
    threads: int | None,
    as_json: bool,
) -> None:
    """Match two files of CLKs made under one schema and secret.

    Writes one-to-one links: columns left and right (numbers from 0) and dice, highest pairs first
    taken. Pairs that tie for a record are left out. Blocks in the files are honoured.
    """
    from pseudolink.roles import clk as role

    with progress() as report:
        found = role.match(
            left,
            right,
            threshold,
            output,
            form=form,
            size=size,
            engine=engine,
            best=best,
            everything=everything,
            threads=threads,
            report=report,
        )
    result = {
        "left": found.left,
        "right": found.right,
        "bits": found.bits,
        "blocks": found.blocks,
        "candidates": found.candidates,
        "written": found.links,
        "ambiguous": found.ambiguous,
        "engine": engine,
        "output": str(output),
    }
    text = f"compared {found.left:,} and {found.right:,} CLKs of {found.bits:,} bits"
    text += " inside their blocks\n" if found.blocks else "\n"
    text += f"{found.candidates:,} pairs reach {threshold}"
    if not everything:
        text += f"; {found.links:,} links one to one, {found.ambiguous:,} pairs tie and are left out"
    emit(result, f"{text}\n{output}", as_json=as_json)
