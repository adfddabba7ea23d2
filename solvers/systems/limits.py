"""Numbers that a law has in a limit: the largest stable step size, and values as h -> 0."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from lvebm_theory.errors import ArgumentError

from .linear_law import LinearLaw


class Limit(NamedTuple):
    """A value that is known to within ``width``."""

    value: float
    width: float


def stability_limit(
    law: Callable[[float], LinearLaw], start: float, *, largest: float = 1e6, ratio: float = 1.25
) -> Limit:
    """The step size h at which law(h) stops being stable, going up from a stable one.

    h grows by ``ratio`` until the spectral radius reaches one; then bisection, down to neighbouring
    floating-point numbers. An unstable window narrower than ``ratio`` may be stepped over.

    Returns
    -------
    Limit
        The width holds the last bracket, and what the rounding of the radius (n eps |A|) moves the
        crossing by, at the radius' own slope in h.

    Raises
    ------
    ArgumentError
        When law(start) is not stable, or law(h) is stable up to ``largest``.
    """
    if not (math.isfinite(start) and start > 0 and ratio > 1):
        raise ArgumentError(f"a step size > 0 and a ratio > 1 are needed, got {start}, {ratio}")
    if not law(start).stable:
        raise ArgumentError(
            f"a stable step size is needed to start from; at {start} the spectral radius is "
            f"{law(start).growth:.12g}"
        )
    low, high = start, start * ratio
    while law(high).stable:
        low, high = high, high * ratio
        if low > largest:
            raise ArgumentError(f"stable up to h = {low:g}: no limit below {largest:g}")
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if law(middle).stable else (low, middle)
    near = 1e-4 * high
    slope = abs(law(high + near).growth - law(high - near).growth) / (2 * near)
    at = law(high).A
    error = len(at) * np.finfo(float).eps * max(1.0, float(np.linalg.norm(at, 2)))
    return Limit((low + high) / 2, (high - low) / 2 + float(error / slope if slope else np.inf))


def small_step_limit(value: Callable[[float], float], h: float, *, halvings: int = 4) -> Limit:
    """lim value(h) as h -> 0, for values with an expansion in whole powers of h.

    Richardson's table at h, h/2, ..., h/2^halvings. The width is the distance of its last two
    diagonal entries, each from all the values known to it; it is not a bound.

    Source: Hairer, Norsett, Wanner, Solving Ordinary Differential Equations I, section II.9.
    """
    if halvings < 2 or not h > 0:
        raise ArgumentError(f"h > 0 and at least two halvings are needed, got {h}, {halvings}")
    row: list[float] = []
    diagonal: list[float] = []
    for k in range(halvings + 1):
        following = [float(value(h / 2**k))]
        for j, before in enumerate(row):
            following.append(following[j] + (following[j] - before) / (2 ** (j + 1) - 1))
        row = following
        diagonal.append(row[-1])
    if not np.all(np.isfinite(diagonal)):
        raise ArgumentError("the values needed for a limit are not all finite")
    rounding = 4 * np.finfo(float).eps * max(abs(d) for d in diagonal)
    return Limit(diagonal[-1], abs(diagonal[-1] - diagonal[-2]) + float(rounding))
