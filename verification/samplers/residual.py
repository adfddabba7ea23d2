r"""The invariance residual |pi P f - pi f| of a step that takes its noise as an argument.

    pi P f - pi f = int pi(x) dx int phi(xi) dxi ( int_0^1 f(x'(x, xi, u)) du - f(x) )

Given x and xi the step is piecewise constant in u with one jump, at the acceptance probability; it
is found by bisection in u, to 2^-40. Along xi the acceptance probability has a kink where it
reaches one; it is found by bisection in xi, and Gauss-Legendre panels end there. Nothing is
random, so there are no false alarms but those of the error width: five times the largest change of
any function between three resolutions, plus rounding. It is an estimate, not a proof.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError

NoisyStep = Callable[[FloatArray, FloatArray, FloatArray], FloatArray]
TestFunctions = Callable[[FloatArray], FloatArray]

LARGEST_NOISE = 8.5
BISECTIONS = 40
NODES = 8
KINKS = 5
SAFETY = 5.0
RESOLUTIONS = ((14, 8), (20, 11), (28, 15))  # panels along x and along xi
_NEAR_ZERO = 2.0**-45


@dataclass(frozen=True, kw_only=True)
class Residual:
    """pi P f - pi f for some functions f.

    Parameters
    ----------
    values, widths : arrays (m,)
        Residuals and the error widths of the quadrature.
    jumps : bool
        False where the step was not piecewise constant in u with one jump: then nothing is said.
    """

    values: FloatArray
    widths: FloatArray
    jumps: bool


def _panels(edges: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Gauss-Legendre nodes and weights on panels: edges (..., p + 1) to (..., p * NODES)."""
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    half = np.diff(edges, axis=-1)[..., None] / 2
    middle = ((edges[..., 1:] + edges[..., :-1]) / 2)[..., None]
    shape = (*edges.shape[:-1], -1)
    return (middle + half * nodes).reshape(shape), (half * weights).reshape(shape)


def acceptance(step: NoisyStep, x: FloatArray, xi: FloatArray) -> tuple[FloatArray, ...]:
    """Where in u the step jumps, shape (n,), and the states (n, 1) below and above the jump."""
    n = len(x)
    low, high = np.full(n, _NEAR_ZERO), np.full(n, 1 - _NEAR_ZERO)
    below, above = step(x, xi, low), step(x, xi, high)
    same = np.all(below == above, axis=1)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        first = np.all(step(x, xi, middle) == below, axis=1)
        low, high = np.where(first, middle, low), np.where(first, high, middle)
    return np.where(same, 1.0, (low + high) / 2), below, above


def _one_jump(step: NoisyStep, x: FloatArray, xi: FloatArray) -> bool:
    """Whether between and beside the jump nothing else happens."""
    jump, below, above = acceptance(step, x, xi)
    for u in np.linspace(0.03, 0.97, 17):
        wanted = np.where((u < jump)[:, None], below, above)
        if not np.array_equal(step(x, xi, np.full(len(x), u)), wanted, equal_nan=True):
            return False
    return True


def _kinks(step: NoisyStep, x: FloatArray, edges: FloatArray, points: int) -> FloatArray:
    """For each x, places (n, KINKS) along xi where acceptance becomes or ceases to be certain.

    Pairs of them closer than the grid of so many points are missed; the resolutions have
    different grids, so that the error width knows.
    """
    top = np.full(len(x), 1 - _NEAR_ZERO)

    def certain(xi: FloatArray) -> npt.NDArray[np.bool_]:
        flat = xi[:, None]
        at_top = step(x, flat, top)
        return np.asarray(np.all(at_top == step(x, flat, np.full(len(x), 0.5)), axis=1))

    grid = np.linspace(edges[0], edges[-1], points)
    states = np.stack([certain(np.full(len(x), g)) for g in grid], axis=1)
    found = np.full((len(x), KINKS), edges[-1])
    changes = states[:, 1:] != states[:, :-1]
    for k in range(KINKS):
        # the k-th change of each row, where there is one
        position = np.cumsum(changes, axis=1)
        here = changes & (position == k + 1)
        rows = here.any(axis=1)
        if not rows.any():
            break
        at = here.argmax(axis=1)
        low, high = grid[at], grid[at + 1]
        left = states[np.arange(len(x)), at]
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            same = certain(middle) == left
            low, high = np.where(same, middle, low), np.where(same, high, middle)
        found[rows, k] = (low + high)[rows] / 2
    return found


def invariance_residual(
    step: NoisyStep,
    functions: TestFunctions,
    potential: Callable[[FloatArray], FloatArray],
    box: tuple[float, float],
    *,
    rejects: bool,
    rounding: float = 2e-16,
) -> Residual:
    """The residual of a step on the line.

    Parameters
    ----------
    step : callable (x (n, 1), xi (n, 1), u (n,)) -> (n, 1)
    functions : callable (n, 1) -> (n, m), bounded
    potential : callable (n, 1) -> (n,)
    box : (low, high)
        Holds pi but for less than rounding.
    rejects : bool
        Whether the step depends on u.
    rounding : float
        Relative spacing of the step's floats.
    """
    if not box[0] < box[1]:
        raise ArgumentError(f"a box needs low < high, got {box}")
    values: list[FloatArray] = []
    jumps = True
    for along_x, along_xi in RESOLUTIONS:
        x, weights = _panels(np.linspace(*box, along_x + 1))
        u = potential(x[:, None])
        density = weights * np.exp(-(u - u.min()))
        density /= density.sum()
        seen = density > 1e-18
        x, density = x[seen][:, None], density[seen]
        edges = np.linspace(-LARGEST_NOISE, LARGEST_NOISE, along_xi + 1)
        cuts = np.broadcast_to(edges, (len(x), len(edges)))
        if rejects:
            cuts = np.sort(
                np.concatenate([cuts, _kinks(step, x, edges, 12 * along_xi)], axis=1), axis=1
            )
        xi, mass = _panels(cuts)
        mass = mass * np.exp(-xi * xi / 2) / np.sqrt(2 * np.pi)
        xs = np.repeat(x, xi.shape[1], axis=0)
        noise = xi.reshape(-1, 1)
        if rejects:
            if not values:
                every = slice(None, None, 97)
                jumps = _one_jump(step, xs[every], noise[every])
            jump, below, above = acceptance(step, xs, noise)
            after = jump[:, None] * functions(below) + (1 - jump)[:, None] * functions(above)
        else:
            after = functions(step(xs, noise, np.full(len(xs), 0.5)))
        after = after.reshape(*xi.shape, -1)
        mean = np.einsum("nk,nkm->nm", mass, after) / mass.sum(axis=1)[:, None]
        values.append(density @ (mean - functions(x)))
    fine = values[-1]
    # all functions meet the same singular places, so the worst of them speaks for all
    change = max(float(np.abs(other - fine).max()) for other in values[:-1])
    width = SAFETY * change + 1e-9 + 1e3 * rounding
    return Residual(values=fine, widths=np.full(len(fine), width), jumps=jumps)


def box_of(
    potential: Callable[[FloatArray], FloatArray], centre: float, spread: float
) -> tuple[float, float] | None:
    """An interval beyond which exp(-U) is below 1e-17 of its largest value; None if very wide."""
    grid = centre + spread * np.linspace(-40, 40, 4001)
    with np.errstate(all="ignore"):
        u = potential(grid[:, None])
    inside = np.flatnonzero(u - u.min() < 39.0)
    if inside[0] == 0 or inside[-1] == len(grid) - 1:
        return None
    return float(grid[inside[0] - 1]), float(grid[inside[-1] + 1])
