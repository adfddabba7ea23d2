"""The learning algorithm with infinitely many particles and its own step sizes, on nodes.

What ``mean_field`` is to the flow, this is to the recursion: densities of latents and pool move by
the law of unadjusted Langevin steps, and theta by a_k g between them, stage by stage as an
``Update`` says. Nothing is expanded in the step sizes, so particles differ from this by their
number alone. Nodes are as fine as the smaller step asks (``langevin_step``); half-widths come from
a second, coarser set.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError, SolverError
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import JointEnergy

from . import mean_field_values as values
from .closed_form_discrete import Algorithm, check_no_gradient_noise, check_settings, rate_at
from .data_nodes import DataNodes
from .gaussian_values import checked_data
from .langevin_step import plane_step, row_step
from .learned_parameters import Project
from .mean_field_frame import TAIL_MASS, Frame, frame_of_gibbs, frame_of_starts
from .mean_field_level import Dynamics, Level, MeanFieldState
from .plane_fields import PlaneFields
from .projections import Projection
from .update import UPDATES, Stage, Update

Curve = tuple[FloatArray, FloatArray]

_NODES = (40, 32)  # data nodes, of the finer and the coarser run
_PER_DEVIATION = (1.7, 1.4)  # nodes per sqrt(2 T h): errors below 1e-12 and 1e-8
_MOST = 640  # nodes along one axis
_SAFETY = 3.0
_ROUNDING = 1e-12
_LARGEST_LOSS = 1e-6  # mass that may leave the boxes
_LOOKS = 6
_GROWTH = 10.0  # of what is asked of densities, towards the edges of the boxes


@dataclass(frozen=True, kw_only=True, eq=False)
class MeanFieldUpdates:
    """Laws after chosen numbers of updates, with infinitely many particles.

    Attributes
    ----------
    updates : array (T,)
    theta, theta_width : arrays (T, p), columns ``names``
    states, coarser : the densities on both sets of nodes
    lost : mass that left the boxes, at most
    """

    fields: PlaneFields
    data: FloatArray
    frame: Frame
    updates: npt.NDArray[np.int64]
    states: tuple[MeanFieldState, ...]
    coarser: tuple[MeanFieldState, ...]
    lost: float

    @property
    def names(self) -> tuple[str, ...]:
        """The learned parameters."""
        return self.fields.names

    @property
    def theta(self) -> FloatArray:
        """(T, p)."""
        return np.array([s.theta for s in self.states])

    @property
    def theta_width(self) -> FloatArray:
        """Numerical half-width of theta, (T, p)."""
        fine, coarse = self.theta, np.array([s.theta for s in self.coarser])
        return self.width(fine, coarse)

    def log_likelihood(self) -> Curve:
        """L(theta_k), nats, and half-widths, (T,)."""
        return self.functional(
            lambda s: values.log_likelihood(self.fields, self.frame, self.data, s.theta)
        )

    def functional(self, function: Callable[[MeanFieldState], float]) -> Curve:
        """Any functional of the states, and half-widths, (T,)."""
        fine = np.array([function(s) for s in self.states])
        return fine, self.width(fine, np.array([function(s) for s in self.coarser]))

    def width(self, fine: FloatArray, coarse: FloatArray) -> FloatArray:
        """Half-width of values from both sets of nodes, and from what left the boxes."""
        lost = max(self.lost, TAIL_MASS)
        beyond = _GROWTH * lost * (1 - math.log(lost))
        rounding = (_ROUNDING + beyond) * (1 + np.abs(fine))
        return np.asarray(_SAFETY * np.abs(fine - coarse) + rounding)


def iterate_mean_field(
    energy: JointEnergy,
    data: npt.ArrayLike,
    settings: Algorithm,
    *,
    latent_start: InitialLaw,
    pool_start: InitialLaw,
    updates: int,
    theta_start: npt.ArrayLike | None = None,
    record_every: int = 1,
    update: Update | None = None,
    projection: Projection | Project | None = None,
    frame: Frame | None = None,
) -> MeanFieldUpdates:
    """theta and both densities after 0, record_every, ... updates of infinitely many particles.

    Parameters
    ----------
    energy, data, latent_start, pool_start, theta_start, frame : as ``solve_mean_field``
    settings : latent_step, pool_step, inner_steps, rate, order, temperature, learned, projection
    updates : number of updates, >= 0
    update : stages other than those of the settings' order; schemes must be ULA
    projection : in place of that of the settings

    Raises
    ------
    ArgumentError
        Unusable arguments; steps so short that nodes would be too many (``solve_mean_field``
        serves there).
    SolverError
        Mass leaves the boxes (where gradients grow faster than linearly ULA has no moments: some
        mass always does, 1e-6 of it is too much), or theta stops being finite; names the update.
    """
    path, _ = run_updates(
        energy,
        data,
        settings,
        latent_start=latent_start,
        pool_start=pool_start,
        updates=updates,
        theta_start=theta_start,
        record_every=record_every,
        update=update,
        projection=projection,
        frame=frame,
        keep=False,
    )
    return path


def run_updates(
    energy: JointEnergy,
    data: npt.ArrayLike,
    settings: Algorithm,
    *,
    latent_start: InitialLaw,
    pool_start: InitialLaw,
    updates: int,
    theta_start: npt.ArrayLike | None,
    record_every: int,
    update: Update | None,
    projection: Projection | Project | None,
    frame: Frame | None,
    keep: bool,
) -> tuple[MeanFieldUpdates, list[UpdateRun]]:
    """The path and the runs on both sets of nodes, finer first; ``keep`` keeps their tapes."""
    fields = PlaneFields.of(energy, settings.learned)
    x = checked_data(data, 1)
    check_settings(settings)
    check_no_gradient_noise(settings)
    if updates < 0 or record_every < 1:
        raise ArgumentError(f"updates >= 0 and record_every >= 1, got {updates}, {record_every}")
    chosen = UPDATES[settings.order] if update is None else update
    for scheme in (chosen.latent_scheme, chosen.pool_scheme):
        if scheme.name != "ula":
            raise ArgumentError(f"densities move by ULA steps here, got {scheme.name}")
    theta = fields.start(theta_start)
    project = fields.projector(
        getattr(settings, "projection", None) if projection is None else projection
    )
    dynamics = Dynamics(
        fields=fields,
        latent_start=latent_start,
        pool_start=pool_start,
        theta=theta,
        eta=0.0,
        latent_speed=1.0,
        projection=project,
    )
    nodes = [DataNodes.of(x, most) for most in _NODES]
    region = frame or frame_of_starts(latent_start, pool_start).joined(
        frame_of_gibbs(fields, nodes[0], theta, 0.0)
    )
    runs: list[tuple[list[MeanFieldState], float]] = []
    made: list[UpdateRun] = []
    for attempt in range(_LOOKS):
        try:
            made = [
                UpdateRun(dynamics, settings, chosen, some, region, dense, keep=keep)
                for some, dense in zip(nodes, _PER_DEVIATION, strict=True)
            ]
            runs = [run.states(updates, record_every) for run in made]
        except _LostMass as event:
            if frame is not None or attempt == _LOOKS - 1:
                raise SolverError(
                    f"the {event.phase} leave the box {region}: {event.lost:.3g} of their mass, by "
                    "steps too long for gradients that grow faster than linearly",
                    step=event.update,
                    last_state=event.theta,
                ) from None
            found = frame_of_gibbs(fields, nodes[0], event.theta, float(event.update))
            region = region.joined(found).widened(event.phase, 1.15)
            continue
        end = frame_of_gibbs(fields, nodes[0], runs[0][0][-1].theta, float(updates))
        wanted = region.joined(end)
        if frame is not None or wanted == region:
            break
        region = wanted
    (fine, lost), (coarse, also) = runs
    path = MeanFieldUpdates(
        fields=fields,
        data=x,
        frame=region,
        updates=np.arange(0, updates + 1, record_every),
        states=tuple(fine),
        coarser=tuple(coarse),
        lost=max(lost, also),
    )
    return path, made


@dataclass(frozen=True, kw_only=True)
class Done:
    """One thing done, as the adjoint needs it: a stage at theta, masses before and after."""

    stage: Stage
    size: float
    theta: FloatArray
    before: FloatArray
    after: FloatArray


class _LostMass(Exception):
    def __init__(self, phase: str, lost: float, theta: FloatArray, update: int) -> None:
        self.phase, self.lost, self.theta, self.update = phase, lost, theta, update
        super().__init__(phase)


class UpdateRun:
    """One set of nodes and the stages of updates on them; ``tape`` has one list per update."""

    def __init__(
        self,
        dynamics: Dynamics,
        settings: Algorithm,
        update: Update,
        nodes: DataNodes,
        frame: Frame,
        dense: float,
        *,
        keep: bool = False,
    ) -> None:
        self.tape: list[list[Done]] = []
        self._keep = keep
        self.settings, self._update = settings, update
        self._project = dynamics.projection
        heat = settings.temperature
        pool = math.sqrt(2 * heat * settings.pool_step) / dense
        latent = math.sqrt(2 * heat * settings.latent_step) / dense
        cells = (
            _cells(frame.pool_x, pool),
            _cells(frame.pool_z, pool),
            _cells(frame.latent_z, latent),
        )
        self.level = Level(dynamics, nodes, frame, cells)
        self.fields = dynamics.fields
        state = self.level.start()
        self._theta, self._latents, self._pool = state.theta, state.latents, state.pool
        p = len(self._theta)
        self._averages = {
            Stage.AVERAGE_LATENTS: np.zeros(p),
            Stage.AVERAGE_POOL: np.zeros(p),
        }
        self._gradient = np.zeros(p)

    def states(self, updates: int, record_every: int) -> tuple[list[MeanFieldState], float]:
        """The recorded states, and the mass that left the boxes."""
        kept, lost = [self._state()], 0.0
        for k in range(updates):
            before = self._theta
            self.tape.append([])
            for stage in self._update.stages:
                self._do(stage, k)
            if not np.all(np.isfinite(self._theta)):
                raise SolverError("theta stopped being finite", step=k + 1, last_state=before)
            for phase, total in (
                ("latents", float(self._latents.sum(axis=1).min())),
                ("pool", float(self._pool.sum())),
            ):
                lost = max(lost, abs(1 - total))
                if not abs(1 - total) < _LARGEST_LOSS:
                    raise _LostMass(phase, 1 - total, before, k + 1)
            if (k + 1) % record_every == 0:
                kept.append(self._state())
        return kept, lost

    def _do(self, stage: Stage, update: int) -> None:
        settings = self.settings
        first, second = self.level.latent_plane, self.level.pool_plane
        heat, size = settings.temperature, rate_at(settings.rate, update)
        match stage:
            case Stage.MOVE_LATENTS:
                slope = self.fields.gradient(first.x, first.z, self._theta)[1]
                h = settings.latent_step
                for _ in range(settings.inner_steps):
                    before = self._latents
                    self._latents = row_step(before, first.z[0], slope, h, heat)
                    self._note(stage, size, before, self._latents)
            case Stage.MOVE_POOL:
                slopes = self.fields.gradient(second.x, second.z, self._theta)
                axes, h = (second.x[:, 0], second.z[0]), settings.pool_step
                for _ in range(settings.inner_steps):
                    before = self._pool
                    self._pool = plane_step(before, axes, (slopes[0], slopes[1]), h, heat)
                    self._note(stage, size, before, self._pool)
            case Stage.AVERAGE_LATENTS:
                weighted = first.weights[:, None] * self._latents
                slope = self.fields.slopes(first.x, first.z, self._theta)
                self._averages[stage] = np.einsum("pij,ij->p", slope, weighted)
                self._note(stage, size, self._latents, self._latents)
            case Stage.AVERAGE_POOL:
                slope = self.fields.slopes(second.x, second.z, self._theta)
                self._averages[stage] = np.einsum("pij,ij->p", slope, self._pool)
                self._note(stage, size, self._pool, self._pool)
            case Stage.COMBINE:
                joint, clamped = Stage.AVERAGE_POOL, Stage.AVERAGE_LATENTS
                self._gradient = self._averages[joint] - self._averages[clamped]
                self._note(stage, size, self._pool, self._pool)
            case Stage.ASCEND:
                moved = self._theta + size * self._gradient
                self._note(stage, size, self._pool, self._pool)
                self._theta = moved if self._project is None else self._project(moved)

    def _note(self, stage: Stage, size: float, before: FloatArray, after: FloatArray) -> None:
        if self._keep:
            done = Done(stage=stage, size=size, theta=self._theta, before=before, after=after)
            self.tape[-1].append(done)

    def _state(self) -> MeanFieldState:
        return MeanFieldState(
            theta=self._theta,
            latents=self._latents,
            pool=self._pool,
            latent_plane=self.level.latent_plane,
            pool_plane=self.level.pool_plane,
        )


def _cells(interval: tuple[float, float], spacing: float) -> int:
    count = math.ceil((interval[1] - interval[0]) / spacing)
    if count > _MOST:
        raise ArgumentError(
            f"steps this short need {count} nodes over {interval}, more than {_MOST}: the flow of "
            "solve_mean_field is close by"
        )
    return max(count, 24)
