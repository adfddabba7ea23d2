"""The Gibbs law of the Mueller-Brown surface at temperature 20: p proportional to exp(-V/20).

V is in the units of the 1979 table, so U = V/20 is ``mueller_brown(scale=0.05)``: three minima, a
barrier of 5.3 from the deepest, and a thin tail to the upper left. Draws are exact up to the cut
at U < 30 (37 above the lowest minimum, mass beyond below 1e-12) by rejection: a cell of a fine
grid is chosen by its mass at the middle, a point in it uniformly, and accepted with probability
exp(U(middle) - U(point)) / bound, where ``bound`` holds for the whole cell. log Z is the midpoint
sum over the same cells: U is analytic and grows faster than any polynomial, so its error decays
faster than any power of the cell's width.

Source: Mueller and Brown, Theor. Chim. Acta 53 (1979) 75-93.
"""

from __future__ import annotations

import functools

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.energies.mueller_brown import mueller_brown
from lvebm_theory.errors import SolverError

from .system import System

TEMPERATURE = 20.0
LOW, HIGH, CELLS = (-3.7, -1.7), (1.8, 3.7), (550, 540)
HIGHEST = 30.0
_WIDTH = np.subtract(HIGH, LOW) / CELLS
_ENERGY = mueller_brown(scale=1 / TEMPERATURE)


@functools.cache
def _grid() -> tuple[FloatArray, FloatArray, FloatArray]:
    """Middles (cells, 2), U there (cells,), and the slack of exp(U(middle) - U) in each cell."""
    axes = [
        low + width * (np.arange(count) + 0.5)
        for low, width, count in zip(LOW, _WIDTH, CELLS, strict=True)
    ]
    middles = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    height = _ENERGY.potential(middles)
    keep = height < HIGHEST
    middles, height = middles[keep], height[keep]
    # first order, and room for curvature; a point above the roof would raise in _draw
    reach = (np.abs(_ENERGY.gradient(middles)) * _WIDTH / 2).sum(1)
    return middles, height, 1.1 * reach + 0.02


def log_normaliser() -> float:
    """log of Z = int exp(-V/20) dx dy."""
    _, height, _ = _grid()
    return float(np.log(np.exp(-height).sum() * np.prod(_WIDTH)))


def _draw(generator: np.random.Generator, n: int) -> FloatArray:
    middles, height, slack = _grid()
    # the envelope's mass: cells in proportion to the height of their roof
    roof = np.cumsum(np.exp(slack - height))
    accepted: list[FloatArray] = []
    missing = n
    while missing > 0:
        tries = missing + missing // 5 + 16
        which = np.searchsorted(roof, roof[-1] * generator.random(tries), side="right")
        points = middles[which] + _WIDTH * (generator.random((tries, 2)) - 0.5)
        log_ratio = height[which] - _ENERGY.potential(points) - slack[which]
        if np.any(log_ratio > 0):
            raise SolverError("rejection met a point above its envelope")
        accepted.append(points[np.log(generator.random(tries)) < log_ratio])
        missing -= len(accepted[-1])
    return np.concatenate(accepted)[:n]


def log_density(x: FloatArray) -> FloatArray:
    """-U - log Z at x (n, 2), shape (n,)."""
    return np.asarray(-_ENERGY.potential(x) - log_normaliser())


system = System(
    name="mueller_brown",
    title="Mueller-Brown surface at temperature 20",
    dim=2,
    coordinates=("x", "y"),
    centre=(-0.424, 1.165),
    scale=(0.439, 0.524),
    observation_noise=(0.0, 0.0),
    draw=_draw,
    log_density_of_data=log_density,
    parameters={"temperature": TEMPERATURE},
    reference="Mueller and Brown, Theor. Chim. Acta 53 (1979) 75",
)
