"""What the commands say besides their results: on standard error, so that results stand alone."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TextIO


def say(text: str) -> None:
    """One line on standard error; where that leads nowhere (a closed pipe) it is lost."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        forget(sys.stderr)


def forget(stream: TextIO) -> None:
    """What is still to be written to a stream, and could not be, goes nowhere.

    The interpreter would try again at its end, and hide the exit status by its own.
    """
    with contextlib.suppress(OSError, ValueError):  # a stream of a test has no number
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def talk_aside() -> contextlib.AbstractContextManager[object]:
    """Sends what a user's file or a library prints to standard error, to keep results alone."""
    return contextlib.redirect_stdout(sys.stderr)
