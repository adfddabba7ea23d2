"""Learning with infinitely many particles: coupled Fokker-Planck equations and theta, on grids."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

from lvebm_theory import functionals
from lvebm_theory.errors import ArgumentError, SolverError
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import JointEnergy

from ..densities.extrapolation import extrapolate
from .closed_form import check_speeds, checked_times
from .data_nodes import DataNodes
from .gaussian_values import checked_data
from .learned_parameters import Project
from .mean_field_frame import Frame, cells_for, frame_of_gibbs, frame_of_starts
from .mean_field_level import Dynamics, LeavingBox, Level, LevelRun, MeanFieldState
from .plane_fields import PlaneFields
from .projections import Projection

FloatArray = npt.NDArray[np.float64]
Curve = tuple[FloatArray, FloatArray]

SHARES = (3, 4, 6, 8)  # eighths of cells, steps and data nodes
_NODES = 40  # data values above which conditional densities live at Chebyshev points
_QUADRATURE = 401  # points per axis of the likelihood, whatever the grids
_ATTEMPTS = 24
_LOOKS = 9  # of the pilot's path, at which boxes and cells are chosen


@dataclass(frozen=True, kw_only=True, eq=False)
class MeanFieldPath:
    """Learning in the limit of infinitely many particles, at chosen times.

    Methods return (values, numerical half-widths), arrays (T,), extrapolated from four joint
    refinements of cells, steps and data nodes.

    Attributes
    ----------
    names : the learned parameters, columns of theta
    times : array (T,)
    theta, theta_width : arrays (T, p)
    levels : resolutions, coarsest first
    """

    fields: PlaneFields
    data: FloatArray
    frame: Frame
    times: FloatArray
    theta: FloatArray
    theta_width: FloatArray
    levels: tuple[LevelRun, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The learned parameters, columns of ``theta``."""
        return self.fields.names

    def state(self, index: int) -> MeanFieldState:
        """Densities of the finest grids and their theta at a time index."""
        return self.levels[-1].states[index]

    def functional(self, function: Callable[[MeanFieldState], float]) -> Curve:
        """Any functional of the states, evaluated on every resolution and extrapolated."""
        values = np.array([[function(s) for s in run.states] for run in self.levels])
        value, width = extrapolate(values, SHARES)
        return value, width + _beyond(self.levels) * (1 + np.abs(values).max(axis=0))

    def log_likelihood(self) -> Curve:
        """L(theta_t) by quadrature on grids of its own, nats."""
        return self.functional(lambda s: self._likelihood(s.theta))

    def posterior_relative_entropy(self) -> Curve:
        """E_data KL(q_x | posterior), nats."""
        return self.functional(lambda s: _posterior_relative_entropy(self.fields, s))

    def model_relative_entropy(self) -> Curve:
        """KL(p | p_theta), nats."""
        return self.functional(lambda s: _model_relative_entropy(self.fields, s))

    def saddle(self) -> Curve:
        """J = E_data{H(q_x) - E_q E} + E_p E - H(p), nats: no normaliser enters."""
        return self.functional(lambda s: _saddle(self.fields, s))

    def pool_expectation(self, f: Callable[..., npt.ArrayLike]) -> Curve:
        """E_p f(x, z)."""

        def mean(s: MeanFieldState) -> float:
            values = np.broadcast_to(f(s.pool_plane.x, s.pool_plane.z), s.pool.shape)
            return functionals.expectation(s.pool, values)

        return self.functional(mean)

    def latent_expectation(self, f: Callable[..., npt.ArrayLike]) -> Curve:
        """E_data E_{q_x} f(x, z)."""

        def mean(s: MeanFieldState) -> float:
            plane = s.latent_plane
            values = np.broadcast_to(f(plane.x, plane.z), s.latents.shape)
            return functionals.expectation(plane.weights[:, None] * s.latents, values)

        return self.functional(mean)

    def _likelihood(self, theta: FloatArray) -> float:
        box, count = self.frame, _QUADRATURE
        x, z = np.linspace(*box.pool_x, count), np.linspace(*box.pool_z, count)
        joint = self.fields.potential(x[:, None], z[None], theta)
        log_z = logsumexp(-joint) + math.log((x[1] - x[0]) * (z[1] - z[0]))
        latent = np.linspace(*box.latent_z, count)
        values, counts = np.unique(self.data[:, 0], return_counts=True)
        clamped = self.fields.potential(values[:, None], latent[None], theta)
        evidence = logsumexp(-clamped, axis=1) + math.log(latent[1] - latent[0])
        return float(counts @ evidence / counts.sum() - log_z)


def solve_mean_field(
    energy: JointEnergy,
    data: npt.ArrayLike,
    *,
    latent_start: InitialLaw,
    pool_start: InitialLaw,
    eta: float,
    times: Sequence[float] | FloatArray,
    latent_speed: float = 1.0,
    learned: Sequence[str] | None = None,
    projection: Projection | Project | None = None,
    theta_start: npt.ArrayLike | None = None,
    step: float | None = None,
    cells: int | tuple[int, int, int] | None = None,
    frame: Frame | None = None,
) -> MeanFieldPath:
    """theta, the latents' densities and the pool's density under the mean-field flow.

    Parameters
    ----------
    energy : formula joint energy with dim_x = dim_z = 1
    data : array (n, 1); cost does not grow with n beyond forty different values
    latent_start, pool_start : laws of one latent (dimension 1) and one pool particle (2)
    eta : speed of theta; the pool has speed one
    times : increasing, >= 0
    latent_speed : speed of the latents
    learned : names of the parameters that move; None means all
    projection : a ``Projection``, or a function of theta (p,), applied whenever it has moved
    theta_start : array (p,) of the learned parameters or (n_theta,) of all; None takes the energy's
    step : longest step of the finest resolution; None takes 1/20, less for fast theta or latents
    cells : of the pool's x and z and the latents' z, multiples of 8; None takes four to the
        shortest length scale
    frame : boxes; None finds those that hold every Gibbs state and density on the way

    Raises
    ------
    ArgumentError
        Unusable arguments.
    SolverError
        exp(-E_theta) stopped being integrable; names theta and the time.
    """
    problem = prepare(
        energy,
        data,
        latent_start=latent_start,
        pool_start=pool_start,
        eta=eta,
        times=times,
        latent_speed=latent_speed,
        learned=learned,
        projection=projection,
        theta_start=theta_start,
        step=step,
        cells=cells,
        frame=frame,
    )
    _, path = problem.solve(keep=False)
    return path


@dataclass(frozen=True, kw_only=True, eq=False)
class MeanFieldProblem:
    """Checked arguments of a run; boxes and cells as asked, or None."""

    dynamics: Dynamics
    data: FloatArray
    times: FloatArray
    step: float
    cells: tuple[int, int, int] | None
    frame: Frame | None

    def solve(self, keep: bool) -> tuple[list[Level], MeanFieldPath]:
        """The path, and the levels it was solved on; ``keep`` keeps every step."""
        nodes = DataNodes.of(self.data, _NODES)
        frame, thetas = self._piloted(nodes)
        for _ in range(_ATTEMPTS):
            try:
                return self._on_levels(nodes, frame, thetas, keep)
            except LeavingBox as event:
                frame = self._larger(nodes, frame, event)
        raise SolverError("no box holds the densities", last_state=self.dynamics.theta)

    def _on_levels(
        self, nodes: DataNodes, frame: Frame, thetas: FloatArray, keep: bool
    ) -> tuple[list[Level], MeanFieldPath]:
        d = self.dynamics
        cells = self.cells or self._cells(nodes, frame, thetas)
        levels, runs = [], []
        for share in SHARES:
            few = nodes if nodes.exact else DataNodes.of(self.data, _NODES * share // 8)
            counts = (cells[0] * share // 8, cells[1] * share // 8, cells[2] * share // 8)
            level = Level(d, few, frame, counts)
            runs.append(level.run(self.times, self.step, share, keep))
            levels.append(level)
        theta, width = extrapolate([np.array([s.theta for s in r.states]) for r in runs], SHARES)
        width = width + _beyond(runs) * (1 + np.abs(theta))
        return levels, MeanFieldPath(
            fields=d.fields,
            data=self.data,
            frame=frame,
            times=self.times,
            theta=theta,
            theta_width=width,
            levels=tuple(runs),
        )

    def _piloted(self, nodes: DataNodes) -> tuple[Frame, FloatArray]:
        """A frame that a coarse run stays in, and theta at some of its times."""
        d = self.dynamics
        first = frame_of_starts(d.latent_start, d.pool_start).joined(
            frame_of_gibbs(d.fields, nodes, d.theta, 0.0)
        )
        if self.frame is not None:
            return self.frame, d.theta[None]
        frame, end = first, float(self.times[-1])
        if end == 0:
            return frame, d.theta[None]
        marks = np.linspace(0, end, _LOOKS + 1)[1:]
        event: LeavingBox | None = None
        for _ in range(_ATTEMPTS):
            cells = self._cells(nodes, frame, d.theta[None])
            half = (max(32, cells[0] // 2), max(32, cells[1] // 2), max(32, cells[2] // 2))
            try:
                run = Level(d, nodes, frame, half).run(marks, self.step, 8)
            except LeavingBox as leaving:
                event = leaving
                frame = self._larger(nodes, frame, event)
                if not frame.beyond(first):
                    continue
            except ArgumentError:
                if event is None:
                    raise
            else:
                thetas = np.array([d.theta, *(s.theta for s in run.states)])
                for theta, time in zip(thetas[1:], marks.tolist(), strict=True):
                    frame = frame.joined(frame_of_gibbs(d.fields, nodes, theta, time))
                return frame, thetas
            # boxes that grow until grids lose the start, or without end
            raise SolverError(
                f"exp(-E) of {d.fields.energy.name} is hardly integrable at "
                f"{d.fields.sentence(event.theta)}, at time {event.time:.6g}: the mass of the "
                f"{event.phase} needs the box {frame}",
                last_state=event.theta,
            )
        raise SolverError("no box holds the densities", last_state=d.theta)

    def _larger(self, nodes: DataNodes, frame: Frame, event: LeavingBox) -> Frame:
        if self.frame is not None:
            raise SolverError(
                f"the box {frame} is too small: the {event.phase} reach its edge at time "
                f"{event.time:.6g}, {self.dynamics.fields.sentence(event.theta)}",
                last_state=event.theta,
            ) from event
        if event.gibbs:
            found = frame_of_gibbs(self.dynamics.fields, nodes, event.theta, event.time)
            joined = frame.joined(found)
            if joined != frame:
                return joined.widened(event.phase, 1.1)
        return frame.widened(event.phase, 1.25)

    def _cells(self, nodes: DataNodes, frame: Frame, thetas: FloatArray) -> tuple[int, int, int]:
        d = self.dynamics
        found = np.array(
            [
                cells_for(d.fields, nodes, theta, frame, d.latent_start, d.pool_start)
                for theta in thetas
            ]
        )
        most = found.max(axis=0)
        return int(most[0]), int(most[1]), int(most[2])


def prepare(
    energy: JointEnergy,
    data: npt.ArrayLike,
    *,
    latent_start: InitialLaw,
    pool_start: InitialLaw,
    eta: float,
    times: Sequence[float] | FloatArray,
    latent_speed: float,
    learned: Sequence[str] | None,
    projection: Projection | Project | None,
    theta_start: npt.ArrayLike | None,
    step: float | None,
    cells: int | tuple[int, int, int] | None,
    frame: Frame | None,
) -> MeanFieldProblem:
    """Arguments checked; parameters as ``solve_mean_field``."""
    fields = PlaneFields.of(energy, learned)
    values = checked_data(data, 1)
    asked = checked_times(times)
    check_speeds(eta, latent_speed)
    if latent_start.dim != 1 or pool_start.dim != 2:
        raise ArgumentError(
            "starts of dimensions 1 (latents) and 2 (pool) needed, got "
            f"{latent_start.dim} and {pool_start.dim}"
        )
    theta = fields.start(theta_start)
    if step is None:
        step = 0.05 / math.sqrt(max(eta, 0.01) * max(latent_speed, 1.0))
    if not (math.isfinite(step) and step > 0):
        raise ArgumentError(f"step must be finite and > 0, got {step}")
    counts = (cells,) * 3 if isinstance(cells, int) else cells
    if counts is not None and (len(counts) != 3 or any(n < 32 or n % 8 for n in counts)):
        raise ArgumentError(f"cells must be three multiples of 8, at least 32, got {cells}")
    return MeanFieldProblem(
        dynamics=Dynamics(
            fields=fields,
            latent_start=latent_start,
            pool_start=pool_start,
            theta=theta,
            eta=eta,
            latent_speed=latent_speed,
            projection=fields.projector(projection),
        ),
        data=values,
        times=asked,
        step=step,
        cells=counts,
        frame=frame,
    )


def _beyond(runs: Sequence[LevelRun]) -> float:
    """Bound of what mass beyond the boxes could change, per nat."""
    edge = max(*(run.edge for run in runs), 1e-300)
    return edge * (1 - math.log(edge))


def _posterior_relative_entropy(fields: PlaneFields, state: MeanFieldState) -> float:
    plane = state.latent_plane
    logs = -fields.potential(plane.x, plane.z, state.theta)
    logs = logs - logsumexp(logs, axis=1, keepdims=True)
    return float(
        sum(
            w * functionals.relative_entropy(q, log_gibbs)
            for w, q, log_gibbs in zip(plane.weights, state.latents, logs, strict=True)
        )
    )


def _model_relative_entropy(fields: PlaneFields, state: MeanFieldState) -> float:
    plane = state.pool_plane
    logs = -fields.potential(plane.x, plane.z, state.theta)
    return functionals.relative_entropy(state.pool, logs - logsumexp(logs))


def _saddle(fields: PlaneFields, state: MeanFieldState) -> float:
    first, second = state.latent_plane, state.pool_plane
    own = fields.potential(first.x, first.z, state.theta)
    clamped = sum(
        w * (functionals.entropy(q, first.cell) - functionals.expectation(q, u))
        for w, q, u in zip(first.weights, state.latents, own, strict=True)
    )
    joint = fields.potential(second.x, second.z, state.theta)
    pool = functionals.expectation(state.pool, joint) - functionals.entropy(state.pool, second.cell)
    return float(clamped + pool)
