"""Puts the stored results together as ``docs/performance.md``; measures nothing itself."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from . import NAMES, diagrams
from .table import RESULTS, header, markdown, stored
from .targets import Target

DOCUMENT = Path(__file__).parent.parent / "docs" / "performance.md"
LIMITS = Path(__file__).parent / "limits.md"
_SETS = {"avx512": "AVX-512", "avx2": "AVX2", "other": "other instructions"}
_HEAD = """# Performance

Every table below is what its command last stored in `benchmarks/results`; ratios against peers come
from one run, interleaved, medians. Absolute times belong to the machine named above each table.
Ratios are asked per set of instructions: with AVX2 two thirds of what is asked with AVX-512.
Tables, and which goals were missed, come from the stored results
(`python -m benchmarks --document`), the texts below them from `benchmarks/limits.md`.
"""


def page() -> str:
    """One section per measurement that has a stored result, in the order of ``NAMES``."""
    sections, summary = [], []
    texts = limits()
    for name in NAMES:
        found = stored(name)
        if not found:
            continue
        module = importlib.import_module(f"benchmarks.{name}")
        sections.append("\n\n".join(_section(module, found, texts.get(name))))
        summary.append({"goals": module.TITLE} | {_SETS[k]: _met(module, found[k]) for k in found})
    columns = ["goals", *(_SETS[k] for k in _SETS if (RESULTS / k).is_dir())]
    return "\n\n".join([_HEAD.strip(), markdown(columns, summary), *sections]) + "\n"


def write() -> Path:
    """Writes the page and its pictures."""
    for name in NAMES:
        diagrams.draw(name, list(stored(name).values()))
    DOCUMENT.write_text(page())
    return DOCUMENT


def missing() -> list[str]:
    """Measurements without a stored result."""
    return [n for n in NAMES if not stored(n)]


def limits() -> dict[str, str]:
    """The hand-written text of each measurement."""
    parts = LIMITS.read_text().split("\n## ")[1:]
    return {name.strip(): text.strip() for name, _, text in (p.partition("\n") for p in parts)}


def missed(module: ModuleType, body: Mapping[str, Any]) -> list[str]:
    """The rows of a stored result that fall short of a goal."""
    return [t.shortfall(row) for t, row in _asked(module, body) if t.missed(row)]


def _asked(module: ModuleType, body: Mapping[str, Any]) -> Iterator[tuple[Target, Any]]:
    targets: tuple[Target, ...] = getattr(module, "TARGETS", ())
    return ((t, row) for t in targets for row in body["rows"] if t.asked(row))


def _met(module: ModuleType, body: Mapping[str, Any]) -> str:
    asked, short = len(list(_asked(module, body))), len(missed(module, body))
    if not asked:
        return "no goal"
    return f"all {asked} met" if not short else f"{asked - short} of {asked} met"


def _section(module: ModuleType, found: Mapping[str, Any], text: str | None) -> Iterator[str]:
    yield f"## {module.TITLE}"
    yield inspect.cleandoc(module.__doc__ or "").split("\n\n", 1)[-1]
    for instructions in (k for k in _SETS if k in found):
        body = found[instructions]
        yield f"### {_SETS[instructions]}"
        yield header(body)
        yield markdown(body["columns"], body["rows"])
        yield "\n".join(body["notes"])
        if short := missed(module, body):
            yield "Below the goal:\n\n" + "\n".join(f"- {line}" for line in short)
    if (drawn := diagrams.picture(module.__name__.rpartition(".")[2])).exists():
        yield "### Time against error"
        yield f"![milliseconds against error](pictures/{drawn.name})"
    if text:
        yield "### What limits it, and what was tried"
        yield text
