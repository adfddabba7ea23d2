"""From checked arguments to a run: boxes by a pilot, cells by scales, four resolutions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError, SolverError
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import JointEnergy

from ..densities.extrapolation import extrapolate
from .closed_form import check_speeds, checked_times
from .data_nodes import DataNodes
from .gaussian_values import checked_data
from .learned_parameters import Project
from .mean_field_frame import Frame, cells_for, frame_of_gibbs, frame_of_starts
from .mean_field_level import Dynamics, LeavingBox, Level
from .mean_field_path import SHARES, MeanFieldPath, beyond_boxes
from .plane_fields import PlaneFields
from .projections import Projection

_NODES = 40  # data values above which conditional densities live at Chebyshev points
_ATTEMPTS = 24
_LOOKS = 9  # of the pilot's path, at which boxes and cells are chosen


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
        width = width + beyond_boxes(runs) * (1 + np.abs(theta))
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
