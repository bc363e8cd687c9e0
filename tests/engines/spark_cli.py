"""
The command line with randomness that is the same every time, so that whole files can be compared.

    python spark_cli.py LOCAL KEPT ARGUMENT...

At the end, before executors remove them, what stands in LOCAL (shuffle files, broadcasts) is copied to KEPT.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import sys
from pathlib import Path

from pseudolink.cli.main import cli
from pseudolink.engines import spark
from pseudolink.keys import vault


class Stream:
    """Bytes of one seed, one after another."""

    def __init__(self) -> None:
        self.count = 0

    def token_bytes(self, size: int = 32) -> bytes:
        self.count += 1
        return hashlib.shake_256(b"seed %d" % self.count).digest(size)

    def randbits(self, bits: int) -> int:
        return int.from_bytes(self.token_bytes(-(-bits // 8)), "big") >> (-bits % 8)


if __name__ == "__main__":
    local, kept, *words = sys.argv[1:]
    vault._COST = vault.Cost(1, 1, 8)
    stream = Stream()
    secrets.token_bytes, secrets.randbits = stream.token_bytes, stream.randbits  # type: ignore[assignment]
    if "TEST_EXCHANGES" in os.environ:  # a key file is another one by the time that executors look
        new, old = os.environ["TEST_EXCHANGES"].split(":")
        real = spark.open_session

        def exchanging(where: str | None) -> object:
            Path(new).replace(old)
            return real(where)

        spark.open_session = exchanging  # type: ignore[assignment]
    try:
        cli(words)
    finally:
        if Path(local).is_dir():
            shutil.copytree(local, kept, ignore_dangling_symlinks=True)
