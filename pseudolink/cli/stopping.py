"""
Being told to stop, by a signal, is an ordinary end: 128 and the number of the signal.

The handler raises where the run happens to be. Compiled code that is interrupted may make another
error of that, so the number is kept, and whatever error arrives afterwards ends the run as it.
"""

from __future__ import annotations

import signal
from types import FrameType
from typing import NoReturn

from pseudolink.portable import STOPPING

_received: list[int] = []


def install() -> None:
    """Handle every signal that asks to stop and that nobody has had ignored (as ``nohup`` does)."""
    for name in STOPPING:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _stop)


def status() -> int | None:
    """The exit status of a run that was told to stop; None when it was not."""
    return 128 + _received[0] if _received else None


def _stop(number: int, _: FrameType | None) -> NoReturn:
    _received.append(number)
    if number == signal.SIGINT:
        raise KeyboardInterrupt  # a prompt ends by it
    raise SystemExit(128 + number)
