r"""Targets on the line, drawn by rejection below a certified envelope.

[-R, R] is cut into cells; ball arithmetic gives a proved lower bound u_i <= U on each, so that
exp(-u_i) is an envelope: a point drawn from it is kept with probability exp(u_i - U(x)), and what
is kept has density proportional to exp(-U) on [-R, R] exactly. The mass outside is bounded by the
certified tail; it is the whole error of the draws, in total variation, beyond rounding.
"""

from __future__ import annotations

import itertools
import math

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError, AssumptionError
from lvebm_theory.protocols import Energy

from .exact_target import ExactTarget

CELLS = 2048
LARGEST_ERROR = 1e-14


def on_the_line(
    energy: Energy, *, length: float, lipschitz: bool, handed: Energy | None = None
) -> ExactTarget:
    """A one-dimensional target given by a formula.

    Parameters
    ----------
    energy : Energy
        One-dimensional, made by ``@energy`` or from text.
    length : float
        The smallest length scale, in whose units step sizes are proposed.
    lipschitz : bool
        Whether U' is Lipschitz.
    handed : Energy, optional
        The same potential in another form, for steps in torch or JAX.

    Raises
    ------
    ArgumentError
        Another dimension.
    AssumptionError
        No formula, or no tail bound that makes exp(-U) integrable was proved.
    """
    if energy.dim != 1:
        raise ArgumentError(f"a target on the line has dimension 1, got {energy.dim}")
    edges, lowest, error = _envelope(energy)
    width = np.diff(edges)
    base = float(lowest.min())
    table = np.cumsum(width * np.exp(base - lowest))
    table /= table[-1]

    def draw(rng: np.random.Generator, n: int) -> FloatArray:
        kept: list[FloatArray] = []
        have = 0
        while have < n:
            need = int(1.1 * (n - have)) + 16
            cell = np.minimum(np.searchsorted(table, rng.random(need), side="right"), CELLS - 1)
            x = edges[cell] + width[cell] * rng.random(need)
            good = x[rng.random(need) < np.exp(lowest[cell] - energy.potential(x[:, None]))]
            kept.append(good)
            have += len(good)
        return np.concatenate(kept)[:n, None]

    return ExactTarget(
        name=energy.name,
        energy=energy,
        draw=draw,
        length=length,
        lipschitz=lipschitz,
        error=error,
        handed=handed,
        formula=lambda: energy,
    )


def _envelope(energy: Energy) -> tuple[FloatArray, FloatArray, float]:
    """Edges (CELLS + 1,), lower bounds of U on the cells, and the share of mass outside."""
    import flint

    from lvebm_theory.certified.interval import Interval
    from lvebm_theory.certified.subject import PRECISION, potential_of
    from lvebm_theory.certified.tail import certify_tail

    potential = potential_of(energy)
    tail = certify_tail(potential)
    evaluate = potential.on_intervals()
    radius = tail.radius
    with flint.ctx.workprec(PRECISION):
        while True:
            edges = np.linspace(-radius, radius, CELLS + 1)
            boxes = [
                evaluate([Interval.between(float(a), float(b))])[0]
                for a, b in itertools.pairwise(edges)
            ]
            below = np.array([math.nextafter(float(box.low.lower()), -math.inf) for box in boxes])
            above = np.array([math.nextafter(float(box.high.upper()), math.inf) for box in boxes])
            base = float(below.min())
            inside = float(np.sum(np.diff(edges) * np.exp(base - above)))
            outside = float((tail.beyond(radius).mass_bound() * flint.arb(base).exp()).upper())
            if inside > 0 and outside <= LARGEST_ERROR * inside:
                return edges, below, outside / inside
            if radius > 64 * tail.radius:
                raise AssumptionError(
                    "exact draws on the line",
                    [f"the tails of {energy.name} are too heavy to cut off: {tail.statement}"],
                )
            radius *= 1.5
