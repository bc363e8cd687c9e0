"""The command that explains a linkage's model and the weight of one of its pairs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pseudolink.cli.common import NEW_PATH, READABLE, emit, json_option, refusals

if TYPE_CHECKING:
    from pseudolink.formats.model import LinkageModel

_BAR = 24


@click.command(epilog="Example: pseudolink explain kept/candidates.parquet --pair 12")
@click.argument("candidates", type=READABLE)
@click.option("--pair", type=click.IntRange(min=1), help="Number of the pair in the file, from 1.")
@click.option("--model", type=READABLE, help="The model; default model.json beside CANDIDATES.")
@click.option("--html", type=NEW_PATH, help="Also write a page of it.")
@json_option
@refusals
def explain(candidates: Path, pair: int | None, model: Path | None, html: Path | None, as_json: bool) -> None:
    """Explain the weight of one candidate pair field by field; without --pair, show the model.

    CANDIDATES is the candidates.parquet that `rehearse --keep` writes, or the operator's.
    """
    from pseudolink import files
    from pseudolink.report import explanation as page
    from pseudolink.roles import explaining as role

    if html is not None:
        files.refuse_existing(html)
    found = role.load_model(model or candidates.with_name(role.MODEL_FILE))
    if pair is None:
        lines, data, text = _model_lines(found), found.to_json(), page.render(found)
    else:
        shown = role.explain_pair(candidates, found, pair)
        steps = role.waterfall(shown)
        title = f"Pair {shown.pair:,} of {shown.pairs:,}: {shown.left} and {shown.right}"
        text = page.render(role.only(found, shown), title=title, steps=steps, chance=shown.probability)
        data = shown.to_json()
        lines = [title, "", *_bars(steps), ""]
        lines += [
            f"match weight {shown.explanation.weight:+.2f} bits; "
            f"match probability {shown.probability:.4f}, rivals counted"
        ]
    if html is not None:
        files.write_bytes(html, text.encode("utf-8"))
        lines.append(f"page: {html}")
    emit(data, "\n".join(lines), as_json=as_json)


def _bars(steps: list[tuple[str, float, str]]) -> list[str]:
    most = max(max(abs(bits) for _, bits, _ in steps), 1e-9)
    lines = []
    for name, bits, shown in steps:
        bar = ("+" if bits >= 0 else "-") * round(_BAR * abs(bits) / most)
        lines.append(f"{name:<26}{bits:>+8.2f}  {bar:<{_BAR}}  {shown}".rstrip())
    return lines


def _model_lines(found: LinkageModel) -> list[str]:
    from pseudolink.report.explanation import shares_of

    lines = []
    for one in found.pairs:
        lines.append(
            f"{one.left} and {one.right}: {one.matches:,.1f} matches expected, {one.found:.2%} of them found"
        )
        lines.append(f"  {'field':<14}{'agreement':<16}{'matches':>10}{'chance':>12}")
        lines += [
            f"  {field.name:<14}{name:<16}{matches:>10.4f}{chance:>12.3g}"
            for field in one.fields
            for name, chance, matches, _ in shares_of(field)
        ]
    return lines
