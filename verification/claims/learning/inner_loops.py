"""Two-loop learning by laws: pool and latents flow for a time at fixed theta, then theta steps.

Two forms that share no solver: Gaussian laws moved in closed form, one per datum and one for the
pool; and cell densities on grids, every resolution learning by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lvebm_theory import gaussian
from lvebm_theory.arrays import FloatArray
from lvebm_theory.initial import InitialLaw

if TYPE_CHECKING:
    from lvebm_theory.joint import FormulaJointEnergy
    from solvers.densities import Grid, GridDensity

# (step, |last move of theta|) -> inner times of latents and pool
InnerTimes = Callable[[int, float], tuple[float, float]]


@dataclass(frozen=True, kw_only=True)
class Loop:
    """What a two-loop run is made of.

    Parameters
    ----------
    energy : joint energy of one datum and one latent coordinate
    learned : name of the one parameter that moves
    data : array (n,)
    latent_start, pool_start : InitialLaw
    step_size : float
        a.
    """

    energy: FormulaJointEnergy
    learned: str
    data: FloatArray
    latent_start: InitialLaw
    pool_start: InitialLaw
    step_size: float

    def at(self, theta: float) -> FormulaJointEnergy:
        """The energy at a theta."""
        return self.energy.with_parameters(**{self.learned: theta})

    def slope(self, energy: FormulaJointEnergy, x: FloatArray, z: FloatArray) -> FloatArray:
        """d_theta E on arrays of one shape."""
        place = list(energy.parameters).index(self.learned)
        flat = energy.parameter_gradient(x.reshape(-1, 1), z.reshape(-1, 1))
        return np.asarray(flat[:, place].reshape(x.shape))


@dataclass(kw_only=True)
class Record:
    """theta before every step (k,), and the relative entropies its direction was taken with."""

    theta: list[float] = field(default_factory=list)
    posterior: list[float] = field(default_factory=list)
    model: list[float] = field(default_factory=list)


def gaussian_loop(loop: Loop, steps: int, inner: InnerTimes) -> Record:
    """Every law Gaussian, E quadratic, d_theta E affine in (x, z): exact.

    Parameters
    ----------
    steps : int
        Steps of theta.
    inner : callable
        (step, |last move of theta|) -> inner times of latents and pool, in their own clocks.
    """
    pool = gaussian.Gaussian.matching(loop.pool_start)
    latents = [gaussian.Gaussian.matching(loop.latent_start) for _ in loop.data]
    theta, move, record = loop.energy.parameters[loop.learned], 0.0, Record()
    for k in range(steps + 1):
        energy = loop.at(theta)
        record.theta.append(theta)
        model = _target(energy.joint())
        posteriors = [_target(energy.conditional([x])) for x in loop.data]
        latent_time, pool_time = inner(k, abs(move))
        pool = gaussian.langevin_flow(pool, model, pool_time)
        latents = [
            gaussian.langevin_flow(q, target, latent_time)
            for q, target in zip(latents, posteriors, strict=True)
        ]
        record.model.append(gaussian.relative_entropy(pool, model))
        record.posterior.append(
            float(
                np.mean(
                    [gaussian.relative_entropy(*p) for p in zip(latents, posteriors, strict=True)]
                )
            )
        )
        means = np.array([q.mean[0] for q in latents])
        positive = loop.slope(energy, loop.data, means).mean()
        negative = loop.slope(energy, pool.mean[:1], pool.mean[1:])[0]
        move = loop.step_size * float(negative - positive)
        theta += move
    return record


def _target(energy: Any) -> gaussian.Gaussian:
    origin = np.zeros((1, energy.dim))
    precision = energy.hessian(origin)[0]
    return gaussian.Gaussian.from_precision(
        -np.linalg.solve(precision, energy.gradient(origin)[0]), precision
    )


def grid_loop(
    loop: Loop, steps: int, times: tuple[float, float], *, cells: int, reach: float
) -> tuple[FloatArray, FloatArray]:
    """theta before every step, (steps + 1,), extrapolated over resolutions, and its half-width.

    Parameters
    ----------
    times : inner times of latents and pool
    cells : per axis of the finest grid of the pool
    reach : float
        The grids hold theta_1 +- reach and theta_2 +- reach around the start.
    """
    from solvers.densities import solve_fokker_planck
    from solvers.densities.extrapolation import extrapolate

    centre = [loop.energy.parameters[name] for name in ("theta_1", "theta_2")]
    box = [(c - reach, c + reach) for c in centre]
    plane = solve_fokker_planck(loop.energy.joint(), loop.pool_start, [0.0], cells=cells, box=box)
    line = solve_fokker_planck(
        loop.energy.conditional([float(loop.data[0])]),
        loop.latent_start,
        [0.0],
        cells=4 * cells,
        box=box[1:],
    )
    rows = [
        _on_grids(loop, steps, times, flat.grid, thin.grid)
        for flat, thin in zip(plane.levels, line.levels, strict=True)
    ]
    counts = [level.grid.shape[0] for level in plane.levels]
    value, width = extrapolate(np.array(rows), counts)
    return np.asarray(value), np.asarray(width)


def _on_grids(
    loop: Loop, steps: int, times: tuple[float, float], plane: Grid, line: Grid
) -> list[float]:
    from solvers.densities import GridDensity, advance_masses
    from solvers.densities.fokker_planck import initial_masses

    pool = GridDensity(grid=plane, masses=initial_masses(loop.pool_start, plane))
    first = GridDensity(grid=line, masses=initial_masses(loop.latent_start, line))
    latents = [first for _ in loop.data]
    theta, found = loop.energy.parameters[loop.learned], []
    for _ in range(steps + 1):
        found.append(theta)
        energy = loop.at(theta)
        pool = advance_masses(energy.joint(), pool, times[1])
        latents = [
            advance_masses(energy.conditional([x]), q, times[0])
            for x, q in zip(loop.data, latents, strict=True)
        ]
        theta += loop.step_size * _direction(loop, energy, pool, latents)
    return found


def _direction(
    loop: Loop, energy: FormulaJointEnergy, pool: GridDensity, latents: Sequence[GridDensity]
) -> float:
    x, z = np.broadcast_arrays(*pool.grid.coordinates())
    total = float((pool.masses * loop.slope(energy, x, z)).sum())
    for datum, q in zip(loop.data, latents, strict=True):
        z = np.asarray(q.grid.coordinates()[0])
        slope = loop.slope(energy, np.full_like(z, datum), z)
        total -= float((q.masses * slope).sum()) / len(loop.data)
    return total
