"""In which order the loops of a step follow each other: sums split it into levels."""

from __future__ import annotations

from collections.abc import Mapping

from .trace import ArraySymbol

_CHEAP = 2  # operations that are repeated rather than stored between levels


def _levels(order: list[ArraySymbol]) -> tuple[dict[int, int], dict[int, int]]:
    """Sums beneath every node, and operations on the way to them."""
    level: dict[int, int] = {}
    work: dict[int, int] = {}
    for s in order:
        below = [a for a in s.arguments if isinstance(a, ArraySymbol)]
        level[id(s)] = max((level[id(a)] for a in below), default=0) + (s.operation == "sum")
        cost = 0 if s.operation in ("input", "constant", "view") else 1
        work[id(s)] = (
            0 if s.operation == "sum" or not s.varies else cost + sum(work[id(a)] for a in below)
        )
    return level, work


def roots_by_level(
    after: Mapping[str, ArraySymbol], order: list[ArraySymbol]
) -> dict[int, list[tuple[str, ArraySymbol]]]:
    """What is made by a loop of its own, by level.

    Kinds: "sum"; "out NAME", the next value of a block; "keep", a value that a later level reads
    and that costs more than a few operations.

    Parameters
    ----------
    after : mapping of block to symbol
    order : list of symbols
        All that ``after`` needs, operands first.
    """
    level, work = _levels(order)
    roots: dict[int, list[tuple[str, ArraySymbol]]] = {}
    kept: set[int] = set()
    for s in order:
        if s.operation == "sum":
            (source, _) = s.arguments
            roots.setdefault(level[id(source)], []).append(("sum", s))
            continue
        for a in s.arguments:
            if (
                isinstance(a, ArraySymbol)
                and a.operation not in ("sum", "input", "constant")
                and a.varies
                and level[id(a)] < level[id(s)]
                and work[id(a)] > _CHEAP
                and id(a) not in kept
            ):
                kept.add(id(a))
                roots.setdefault(level[id(a)], []).append(("keep", a))
    for name, s in after.items():
        roots.setdefault(level[id(s)], []).append((f"out {name}", s))
    return roots
