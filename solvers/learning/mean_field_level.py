"""One resolution of the mean-field equations: two densities and theta, stepped together.

    d_t p = div(p grad E_theta) + Lap p,     d_t q_x = s ( d_z(q_x d_z E_theta) + d_zz q_x ),
    theta' = eta ( E_p d_theta E - E_data E_{q_x} d_theta E )

Strang's splitting: theta moves by half a step with frozen densities (Runge-Kutta of order four),
the densities by a whole step with frozen theta (exact exponentials of their rates), theta by half
a step again. So mass, positivity and the order of relative entropies hold as for one potential,
and errors at a fixed time are even powers of the step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError, LvebmError, SolverError
from lvebm_theory.initial import InitialLaw

from .data_nodes import DataNodes
from .mean_field_frame import Frame
from .moving_rates import Rates
from .plane_fields import PlaneFields

_EDGE_MASS = 1e-8  # in the outermost nodes, from where a box is too small
_LARGEST_LOSS = 1e-3  # of a start on the nodes


@dataclass(frozen=True, kw_only=True, eq=False)
class Dynamics:
    """What moves, and how fast: everything but the grids."""

    fields: PlaneFields
    latent_start: InitialLaw
    pool_start: InitialLaw
    theta: FloatArray
    eta: float
    latent_speed: float
    projection: Callable[[FloatArray], FloatArray] | None


class LeavingBox(LvebmError):
    """A density or a Gibbs state has reached the edge of its box."""

    def __init__(self, phase: str, gibbs: bool, theta: FloatArray, time: float) -> None:
        self.phase, self.gibbs, self.theta, self.time = phase, gibbs, theta, time
        super().__init__(f"{phase} at the edge of the box at time {time:.6g}")


@dataclass(frozen=True, kw_only=True, eq=False)
class Plane:
    """Nodes of one phase: rows x (n, 1) and columns z (1, m), with spacings.

    ``weights`` (n,) count rows: those of the data for the latents, ones for the pool.
    """

    x: FloatArray
    z: FloatArray
    spacings: tuple[float, float]
    weights: FloatArray
    rows: bool

    @property
    def cell(self) -> float:
        """Area of a cell; its length where rows are on their own."""
        return self.spacings[1] if self.rows else self.spacings[0] * self.spacings[1]

    def edge(self, masses: FloatArray) -> float:
        """Mass in the outermost nodes, of the worst row where rows are on their own."""
        ends = masses[:, 0] + masses[:, -1]
        if self.rows:
            return float(ends.max())
        return float(ends.sum() + masses[0].sum() + masses[-1].sum())


@dataclass(frozen=True, kw_only=True, eq=False)
class MeanFieldState:
    """theta and both densities on one resolution.

    Attributes
    ----------
    latents : array (m, k), masses of q_x on ``latent_plane``, every row of mass one
    pool : array (n_x, n_z), masses of p on ``pool_plane``
    """

    theta: FloatArray
    latents: FloatArray
    pool: FloatArray
    latent_plane: Plane
    pool_plane: Plane


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step as the adjoint needs it: theta when densities moved, and the state before."""

    length: float
    theta: FloatArray
    before: MeanFieldState


@dataclass(frozen=True, kw_only=True, eq=False)
class LevelRun:
    """States at the asked times, the steps between if they were kept, and the worst edge mass."""

    states: tuple[MeanFieldState, ...]
    steps: tuple[tuple[Step, ...], ...]
    edge: float


class Level:
    """Grids of one resolution and the steps on them."""

    def __init__(
        self,
        dynamics: Dynamics,
        nodes: DataNodes,
        frame: Frame,
        cells: tuple[int, int, int],
    ) -> None:
        self.dynamics = dynamics
        x, h_x = _nodes(frame.pool_x, cells[0])
        z, h_z = _nodes(frame.pool_z, cells[1])
        latent, h = _nodes(frame.latent_z, cells[2])
        self.pool_plane = Plane(
            x=x[:, None], z=z[None], spacings=(h_x, h_z), weights=np.ones(x.size), rows=False
        )
        self.latent_plane = Plane(
            x=nodes.x[:, None], z=latent[None], spacings=(0.0, h), weights=nodes.weights, rows=True
        )
        self._edge = 0.0

    def start(self) -> MeanFieldState:
        """The starts on the nodes.

        Raises
        ------
        ArgumentError
            When the nodes are too coarse for a start.
        """
        d = self.dynamics
        plane = self.pool_plane
        points = np.stack([np.broadcast_to(a, (plane.x.size, plane.z.size)).ravel()
                           for a in (plane.x, plane.z)], axis=1)  # fmt: skip
        pool = np.exp(d.pool_start.log_density(points)).reshape(plane.x.size, -1) * plane.cell
        line = np.exp(d.latent_start.log_density(self.latent_plane.z.T)) * self.latent_plane.cell
        for name, masses in (("pool", pool), ("latent", line)):
            if abs(masses.sum() - 1) > _LARGEST_LOSS:
                raise ArgumentError(
                    f"the nodes hold {masses.sum():.6g} of the {name} start: take more cells or a "
                    "wider box"
                )
        latents = np.tile(line / line.sum(), (self.latent_plane.x.size, 1))
        return self._state(d.theta, latents, pool / pool.sum())

    def run(self, times: FloatArray, longest: float, share: int, keep: bool = False) -> LevelRun:
        """States at the times, with ``share`` eighths of the steps no longer than ``longest``."""
        state, states, kept = self.start(), [], []
        self._edge, now = 0.0, 0.0
        for time in times.tolist():
            count = share * math.ceil((time - now) / (8 * longest) - 1e-9)
            steps: list[Step] = []
            length = (time - now) / max(count, 1)
            for step, following in self._steps(state, now, length, count):
                state = following
                if keep:
                    steps.append(step)
            now = time
            states.append(state)
            kept.append(tuple(steps))
        return LevelRun(states=tuple(states), steps=tuple(kept), edge=self._edge)

    def rates(
        self, theta: FloatArray, latents: FloatArray, pool: FloatArray
    ) -> tuple[Rates, Rates]:
        """Rates of latents and pool at theta."""
        found = []
        for plane, masses in ((self.latent_plane, latents), (self.pool_plane, pool)):
            potential = self.dynamics.fields.potential(plane.x, plane.z, theta)
            found.append(Rates.of(potential, masses, plane.spacings, rows=plane.rows))
        return found[0], found[1]

    def gradient(self, theta: FloatArray, latents: FloatArray, pool: FloatArray) -> FloatArray:
        """g = E_p d_theta E - E_data E_q d_theta E, (p,)."""
        f_q, f_p = self.slopes(theta)
        weights = self.latent_plane.weights[:, None] * latents
        joint = np.einsum("pij,ij->p", f_p, pool)
        return np.asarray(joint - np.einsum("pij,ij->p", f_q, weights))

    def slopes(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """d_theta E at the nodes of latents and pool, (p, n, m) each."""
        if self.dynamics.fields.linear:
            return self._constant_slopes
        return self._slopes(theta)

    @cached_property
    def _constant_slopes(self) -> tuple[FloatArray, FloatArray]:
        return self._slopes(self.dynamics.theta)

    def _slopes(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        first, second = self.latent_plane, self.pool_plane
        fields = self.dynamics.fields
        return fields.slopes(first.x, first.z, theta), fields.slopes(second.x, second.z, theta)

    def _state(self, theta: FloatArray, latents: FloatArray, pool: FloatArray) -> MeanFieldState:
        return MeanFieldState(
            theta=theta,
            latents=latents,
            pool=pool,
            latent_plane=self.latent_plane,
            pool_plane=self.pool_plane,
        )

    def _steps(
        self, state: MeanFieldState, now: float, length: float, count: int
    ) -> Iterator[tuple[Step, MeanFieldState]]:
        theta, latents, pool = state.theta, state.latents, state.pool
        ahead = self._moved(theta, latents, pool, length / 2) if count else theta
        for k in range(count):
            rates = self.rates(ahead, latents, pool)
            self._check(rates, ahead, now + (k + 0.5) * length)
            before = self._state(theta, latents, pool)
            latents = rates[0].forward(latents, self.dynamics.latent_speed * length)
            pool = rates[1].forward(pool, length)
            step = Step(length=length, theta=ahead, before=before)
            theta = self._moved(ahead, latents, pool, length / 2)
            if not (np.all(np.isfinite(theta)) and np.isfinite(pool.sum())):
                raise SolverError(
                    f"theta stopped being finite at time {now + (k + 1) * length:.6g}",
                    last_state=before.theta,
                )
            self._check_masses(latents, pool, theta, now + (k + 1) * length)
            yield step, self._state(theta, latents, pool)
            ahead = self._moved(theta, latents, pool, length / 2)

    def _moved(
        self, theta: FloatArray, latents: FloatArray, pool: FloatArray, time: float
    ) -> FloatArray:
        """theta after a time with frozen densities."""
        step = self.dynamics.eta * time

        def slope(at: FloatArray) -> FloatArray:
            return self.gradient(at, latents, pool)

        first = slope(theta)
        if self.dynamics.fields.linear:
            moved = theta + step * first
        else:
            second = slope(theta + step / 2 * first)
            third = slope(theta + step / 2 * second)
            fourth = slope(theta + step * third)
            moved = theta + step / 6 * (first + 2 * second + 2 * third + fourth)
        projection = self.dynamics.projection
        return moved if projection is None else np.asarray(projection(moved), dtype=float)

    def _check(self, rates: tuple[Rates, Rates], theta: FloatArray, time: float) -> None:
        for phase, plane, one in zip(
            ("latents", "pool"), (self.latent_plane, self.pool_plane), rates, strict=True
        ):
            u = one.potential
            if not np.all(np.isfinite(u)):
                raise LeavingBox(phase, True, theta, time)
            low = u.min(axis=1, keepdims=True) if plane.rows else u.min()
            gibbs = np.exp(low - u)
            gibbs /= gibbs.sum(axis=1, keepdims=True) if plane.rows else gibbs.sum()
            self._note(plane.edge(gibbs), phase, True, theta, time)

    def _check_masses(
        self, latents: FloatArray, pool: FloatArray, theta: FloatArray, time: float
    ) -> None:
        self._note(self.latent_plane.edge(latents), "latents", False, theta, time)
        self._note(self.pool_plane.edge(pool), "pool", False, theta, time)

    def _note(self, edge: float, phase: str, gibbs: bool, theta: FloatArray, time: float) -> None:
        if not edge <= _EDGE_MASS:
            raise LeavingBox(phase, gibbs, theta, time)
        self._edge = max(self._edge, edge)


def _nodes(interval: tuple[float, float], cells: int) -> tuple[FloatArray, float]:
    low, high = interval
    width = (high - low) / cells
    return np.asarray(low + width * (np.arange(cells) + 0.5), dtype=float), width
