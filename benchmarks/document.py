"""Puts the stored results together as ``docs/performance.md``; measures nothing itself."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

from . import NAMES
from .table import RESULTS

DOCUMENT = Path(__file__).parent.parent / "docs" / "performance.md"
_HEAD = """# Performance

Every table below is what its command last stored in `benchmarks/results`; ratios against peers come
from one run, interleaved, medians. Absolute times belong to the machine named above each table.
"""


def write() -> Path:
    """One section per measurement that has a stored result, in the order of ``NAMES``."""
    parts = [_HEAD]
    for name in NAMES:
        stored = RESULTS / f"{name}.md"
        if not stored.exists():
            continue
        module = importlib.import_module(f"benchmarks.{name}")
        title, rest = stored.read_text().split("\n", 1)
        parts += [f"#{title}", inspect.cleandoc(module.__doc__ or "").split("\n\n", 1)[-1], rest]
    DOCUMENT.write_text("\n\n".join(p.strip() for p in parts) + "\n")
    return DOCUMENT


def missing() -> list[str]:
    """Measurements without a stored result."""
    return [n for n in NAMES if not (RESULTS / f"{n}.json").exists()]
