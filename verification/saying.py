"""What the commands say besides their results: on standard error, so that results stand alone."""

from __future__ import annotations

import contextlib
import sys


def say(text: str) -> None:
    """One line on standard error."""
    print(text, file=sys.stderr, flush=True)


def talk_aside() -> contextlib.AbstractContextManager[object]:
    """Sends what a user's file or a library prints to standard error, to keep results alone."""
    return contextlib.redirect_stdout(sys.stderr)
