"""What coordinates are called where nobody has named them."""

from __future__ import annotations


def coordinates(letter: str, dim: int) -> tuple[str, ...]:
    """x alone, or x0, x1, ..."""
    return (letter,) if dim == 1 else tuple(f"{letter}{i}" for i in range(dim))
