"""What words that a command line cannot place were probably meant to be."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence

from lvebm_theory.errors import LvebmError

_UNPLACED = re.compile(r"Got unexpected extra arguments?(?:\(s\))? \((.*)\)")
_NO_COMMAND = re.compile(r"No such command '(.*?)'")
# a formula that begins with a minus reads as an option of one letter
_NO_OPTION = re.compile(r"No such option:? '?(-\w)\b")
_NUMBERS = re.compile(r"[-+.\de]+(,[-+.\de]+)*")
_LAW = re.compile(r"([-+.\d*\s]*(normal|uniform|point)\s*\()")


def hint(complaint: str, options: Collection[str], arguments: Sequence[str]) -> str:
    """``; a formula is given by --potential 'x**2'``, or nothing.

    Parameters
    ----------
    complaint : str
        What the command line says of its use.
    options : names of the options that the command has
    arguments : the command line
    """
    if found := _UNPLACED.fullmatch(complaint):
        words = [*dict.fromkeys((found[1], *found[1].split(" ")))]
    elif found := _NO_COMMAND.match(complaint):
        words, options = [found[1]], ("--potential",)
    elif found := _NO_OPTION.match(complaint):
        words = [a for a in arguments if a.startswith(found[1])]
    else:
        return ""
    for option, fits, said in _MEANT:
        for word in words:
            if option in options and fits(word):
                return f"; {said} given by {option} '{word}'"
    return ""


def _claim(words: str) -> bool:
    from .discovery import claims

    return set(words.split(",")) <= set(claims())


def _formula(words: str) -> bool:
    from lvebm_theory import parse_potential

    try:
        parse_potential(words)
    except (LvebmError, ValueError):
        return False
    return not words.isidentifier() or len(words) == 1


_MEANT: tuple[tuple[str, Callable[[str], bool], str], ...] = (
    ("--energy", lambda w: ".py:" in w, "an energy of a file is"),
    ("--claims", _claim, "claims are"),
    ("--start", lambda w: _LAW.match(w) is not None, "the initial law is"),
    ("--times", lambda w: _NUMBERS.fullmatch(w) is not None, "times are"),
    ("--potential", _formula, "a formula is"),
)
