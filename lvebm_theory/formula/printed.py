"""Printed sources kept between processes: a known formula is not traced again.

Tracing and differentiation need SymPy, whose import alone takes longer than all that a second
process has to do. What was printed lies in the cache folder under the fingerprint of the function
that it came from (``fingerprint``): a changed formula has another one.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
from collections.abc import Callable
from typing import Any

from .fingerprint import fingerprint
from .generated import cache_folder, write_aside

_PREFIX = "lvebm_printed_"


@functools.lru_cache(maxsize=1024)
def known(function: Callable[..., Any], *others: Any) -> str | None:
    """The fingerprint, taken at first use, as the formula itself is traced at first use."""
    return fingerprint(function, *others)


def kept(key: str | None, which: tuple[str, ...], text_of: Callable[[], str]) -> str:
    """The text under a fingerprint, or what ``text_of`` returns, kept for the next process.

    Parameters
    ----------
    key : str or None
        None keeps nothing.
    which : tuple of str
        What was printed of the formula: back end and type.
    text_of : callable () -> str
    """
    if key is None:
        return text_of()
    return _held(key, which) or _keep(key, which, text_of())


def _name(key: str, which: tuple[str, ...]) -> str:
    return _PREFIX + hashlib.sha256("\0".join((key, *which)).encode()).hexdigest()[:32]


@functools.lru_cache(maxsize=256)
def _held(key: str, which: tuple[str, ...]) -> str:
    """What lies there and is whole; else nothing."""
    try:
        stored = (cache_folder() / f"{_name(key, which)}.txt").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
    checksum, _, text = stored.partition("\n")
    return text if checksum == hashlib.sha256(text.encode()).hexdigest() else ""


def _keep(key: str, which: tuple[str, ...], text: str) -> str:
    stored = hashlib.sha256(text.encode()).hexdigest() + "\n" + text
    with contextlib.suppress(OSError):
        write_aside(cache_folder() / f"{_name(key, which)}.txt", stored)
    return text
