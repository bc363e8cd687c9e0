"""release-v1 4.5: labels as R's arrow reads them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pseudolink.release.r_metadata import labels

VECTOR = Path(__file__).parents[2] / "specs" / "vectors" / "release" / "r_labels.json"


def test_the_text_is_what_r_itself_serializes() -> None:
    """Made by R 4.2.2: cat(rawToChar(serialize(x, NULL, ascii = TRUE, version = 2)))."""
    vector = json.loads(VECTOR.read_text(encoding="utf-8"))
    assert labels(vector["labels"]).decode("ascii") == vector["text"]


def test_r_reads_any_label_back() -> None:
    if shutil.which("Rscript") is None:
        pytest.skip("R is not there; the vector stands for it")
    said = {"a": 'what? it\'s\ta "tab" \\ and\na line', "Ọmọ ŵ": "Plant 子", "none": None, "empty": ""}
    program = (
        "x <- unserialize(charToRaw(paste0(readLines(file('stdin')), '\\n', collapse = '')))\n"
        "for (n in names(x$columns))\n"
        "cat(utf8ToInt(enc2utf8(paste0(n, '|', x$columns[[n]]$attributes$label))), '\\n')"
    )
    done = subprocess.run(
        ["Rscript", "-e", program],
        input=labels(said),
        capture_output=True,
        check=True,
        timeout=60,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    lines = [
        "".join(map(chr, map(int, line.split())))
        for line in done.stdout.decode().splitlines()
        if line.strip()
    ]
    assert lines == [f"{name}|{label or ''}" for name, label in said.items()]
