"""
Sealing and opening beside the bare cipher: throughput as ratios of one run, and memory.

    python benchmarks/seal.py --mebibytes 512 --rounds 5

The peer is `cobblestone` alone: the same file read, encrypted and written to a new file that is
synchronised to the disk, without keys of recipients, digest, signature, padding and checks. Time is
shown by the clock and by the processor (all threads), which a busy machine disturbs less. Beside it
stands the cipher in memory, without any file. Memory is the most that a process of its own held while
it sealed and opened a file, above what it held before, at two sizes.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from _machine import header, show
from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from parties_in_memory import KEY_CHECK, TODAY, agreed, key_of, manifest_of

from pseudolink.seal.package import open_package, seal

MEBIBYTE = 1024 * 1024
#: Of the peer: by the clock the quickest of 64 KiB to 4 MiB here, by the processor within a tenth of it.
CHUNK = 256 * 1024
RATIOS = (
    ("seal", "cipher, file to file"),
    ("open", "decipher, file to file"),
    ("seal", "cipher in memory"),
)
KEY = bytes(range(32))
AGREEMENT = replace(agreed(), key_check=KEY_CHECK)


def bare(kind: type, source: Path, target: Path) -> None:
    """The cipher from file to file."""
    cipher = kind(KEY, b"benchmark")
    with source.open("rb") as plain, target.open("wb", buffering=0) as out:
        while chunk := plain.read(CHUNK):
            out.write(cipher.update(chunk))
        out.write(cipher.finalize())
        os.fsync(out.fileno())


def in_memory(source: Path) -> None:
    """The cipher with nothing around it."""
    cipher = Cobblestone256Encryptor(KEY, b"benchmark")
    with source.open("rb") as plain:
        while chunk := plain.read(CHUNK):
            cipher.update(chunk)
    cipher.finalize()


def make(source: Path, mebibytes: int) -> None:
    """A file of random bytes."""
    with source.open("wb") as out:
        for _ in range(mebibytes):
            out.write(os.urandom(MEBIBYTE))


def sealing(source: Path, package: Path) -> None:
    """What a sender does."""
    manifest = manifest_of(AGREEMENT)
    seal(source, package, manifest, AGREEMENT, key_of("council"), today=TODAY)


def opening(package: Path, target: Path) -> None:
    """What a recipient does."""
    open_package(
        package, target, agreement=AGREEMENT, recipient=key_of("unit"), artefact="encodings", today=TODAY
    )


def timed(action: Callable[[], None], *made: Path) -> tuple[float, float]:
    """Seconds by the clock and of the processor; what was made is taken away again."""
    begun, used = time.perf_counter(), time.process_time()
    action()
    seconds = time.perf_counter() - begun, time.process_time() - used
    for path in made:
        path.unlink()
    return seconds


def memory(mebibytes: int) -> int:
    """MiB above the start that a fresh process held at most."""
    done = subprocess.run(
        [sys.executable, __file__, "--measure-memory", str(mebibytes)],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


def measure_memory(mebibytes: int) -> None:
    """In a process of its own: seal and open once at a small size, then note the growth at this one."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for size in (1, mebibytes):
            make(folder / "source", size)
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            sealing(folder / "source", folder / "package")
            opening(folder / "package", folder / "out")
            (folder / "package").unlink()
            (folder / "out").unlink()
        print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--mebibytes", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--measure-memory", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure_memory:
        measure_memory(options.measure_memory)
        return
    show(header("cryptography"))
    times: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source, package, target = folder / "source", folder / "package", folder / "out"
        make(source, options.mebibytes)
        for number in range(options.rounds + 1):  # the first only warms
            found = {
                "cipher in memory": timed(lambda: in_memory(source)),
                "cipher, file to file": timed(lambda: bare(Cobblestone256Encryptor, source, target), target),
                "seal": timed(lambda: sealing(source, package), package),
            }
            sealing(source, package)
            found["open"] = timed(lambda: opening(package, target), target, package)
            bare(Cobblestone256Encryptor, source, package)
            found["decipher, file to file"] = timed(
                lambda: bare(Cobblestone256Decryptor, package, target), target, package
            )
            if number:
                for what, seconds in found.items():
                    times.setdefault(what, []).append(seconds)
    print(f"{options.mebibytes} MiB, {options.rounds} rounds:")
    print("the least disturbed, and in brackets the median of the ratios of each round")
    for number, kind in enumerate(("clock", "processor")):
        each = {what: [one[number] for one in seconds] for what, seconds in times.items()}
        print(f"by the {kind}")
        for what, seconds in each.items():
            print(f"  {what:<32}{options.mebibytes / min(seconds):>8,.0f} MiB/s")
        for ours, peer in RATIOS:
            middle = statistics.median(b / a for a, b in zip(each[ours], each[peer], strict=True))
            best = min(each[peer]) / min(each[ours])
            print(f"  {f'{ours} / {peer}':<32}{best:>8.2f} ({middle:.2f})")
    for size in (16, options.mebibytes):
        print(f"memory to seal and open {size:>5} MiB: {memory(size)} MiB above the start")


if __name__ == "__main__":
    main()
