"""What is asked of single draws: whom they serve, and what they leave undecided."""

from __future__ import annotations

import numpy as np

from lvebm_theory.arrays import BoolArray, FloatArray

from .localise_trace import Draw, Hands, Run, closest

ASTRAY = 100.0  # a rise of the potential that hardly any draw accepts


def extreme(draw: Draw, high: bool, low_ratio: bool) -> FloatArray:
    """The draw that accepts whatever can be (``low_ratio``), or refuses whatever can be."""
    if draw.sort == "integer":
        value = draw.values.max() if high == low_ratio else draw.values.min()
    else:
        value = closest(-700.0 if low_ratio else 0.0, draw.sort, high)
    return np.full(draw.values.shape, value)


def unmoved(hands: Hands, x: FloatArray, moved: BoolArray, sure: Run) -> float:
    """Share of chains that stay whatever is drawn, but for trajectories that went astray."""
    uniforms = [draw for draw in sure.draws if draw.sort in ("uniform", "exponential")]
    if len(uniforms) > 1:  # one move of several may have been refused by a draw before
        return 0.0
    asked = [z for z in (*sure.energy.potentials, *sure.energy.gradients) if z.shape == x.shape]
    if not asked:
        return float(np.mean(~moved))
    rise = hands.target.for_step.potential(asked[-1]) - hands.target.for_step.potential(x)
    return float(np.mean(~moved & (rise < ASTRAY)))


def odd(hands: Hands, x: FloatArray, plain: Run) -> bool:
    """Whether results depend on several numbers that are no multiple of the chains."""
    for slot, draw in enumerate(plain.draws):
        size = draw.values.size
        if draw.sort == "integer" or size < 2 or size % len(x) == 0 or size == x.shape[1]:
            continue
        other = hands.run(x, {slot: np.roll(draw.values.ravel(), 1)})
        if not np.array_equal(other.after, plain.after, equal_nan=True):
            return True
    return False


def strays(hands: Hands, x: FloatArray, plain: Run) -> bool:
    """Whether the one uniform of each chain decides between two results, and neither is x."""
    d = hands.target.for_step.dim
    slots = [k for k, draw in enumerate(plain.draws) if draw.sort in ("uniform", "exponential")]
    if len(slots) != 1 or plain.draws[slots[0]].values.size != len(x):
        return False
    draw = plain.draws[slots[0]]
    low, top = (
        hands.run(x, {slots[0]: extreme(draw, False, end)}).after[:, :d] for end in (True, False)
    )
    here = plain.after[:, :d]
    two = np.all(here == low, axis=1) | np.all(here == top, axis=1)
    return bool(two.all() and np.any(low != top))


def mixed(hands: Hands, x: FloatArray, after: FloatArray) -> bool:
    """Whether half of the chains go elsewhere when the other half starts elsewhere."""
    half = len(x) // 2
    other = np.concatenate([x[:half], x[half:][::-1] * 0.9])
    return not np.array_equal(hands.run(other).after[:half], after[:half], equal_nan=True)
