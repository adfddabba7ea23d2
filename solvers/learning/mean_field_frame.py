"""Boxes that hold both phases of a mean-field run, and how fine their grids must be."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import AssumptionError, SolverError
from lvebm_theory.initial import InitialLaw

from ..densities.box import bulk, level_box
from .data_nodes import DataNodes
from .plane_fields import PlaneFields

Interval = tuple[float, float]

TAIL_MASS = 1e-12
_CONDITIONALS = 9  # posteriors whose boxes are looked at
_SPACING = 0.25  # of a cell, in units of the shortest length scale
_FEWEST, _MOST = 48, 256
_REACH = 7.3  # standard deviations of a start that a box holds
_WIDEST = 30.0  # box over first box, where Z is as good as infinite


@dataclass(frozen=True, kw_only=True)
class Frame:
    """Intervals of the pool's x and z, and of the latents' z."""

    pool_x: Interval
    pool_z: Interval
    latent_z: Interval

    def joined(self, other: Frame) -> Frame:
        """The smallest frame that holds both."""
        return Frame(
            pool_x=_hull(self.pool_x, other.pool_x),
            pool_z=_hull(self.pool_z, other.pool_z),
            latent_z=_hull(self.latent_z, other.latent_z),
        )

    def widened(self, phase: str, factor: float) -> Frame:
        """One phase's box made longer on every side."""
        if phase == "latents":
            return replace(self, latent_z=_longer(self.latent_z, factor))
        return replace(
            self,
            pool_x=_longer(self.pool_x, factor),
            pool_z=_longer(self.pool_z, factor),
        )

    def beyond(self, first: Frame) -> bool:
        """Whether this frame is so much wider than another that no grid will serve."""
        return any(
            b - a > _WIDEST * (d - c)
            for (a, b), (c, d) in (
                (self.pool_x, first.pool_x),
                (self.pool_z, first.pool_z),
                (self.latent_z, first.latent_z),
            )
        )


def frame_of_starts(latent_start: InitialLaw, pool_start: InitialLaw) -> Frame:
    """Boxes of the starts alone."""
    x, z = (_reach(pool_start, k) for k in (0, 1))
    return Frame(pool_x=x, pool_z=z, latent_z=_reach(latent_start, 0))


def frame_of_gibbs(fields: PlaneFields, nodes: DataNodes, theta: FloatArray, time: float) -> Frame:
    """Boxes of p_theta and of its posteriors at the data.

    Raises
    ------
    SolverError
        When no box holds them: exp(-E_theta) has no finite integral. Names theta and the time.
    """
    energy = fields.at(theta)
    try:
        x, z = level_box(energy.joint(), None, TAIL_MASS)
        some = np.unique(np.linspace(0, nodes.x.size - 1, _CONDITIONALS).round().astype(int))
        posteriors = [
            level_box(energy.conditional([float(nodes.x[k])]), None, TAIL_MASS)[0] for k in some
        ]
    except AssumptionError:
        raise SolverError(
            f"exp(-E) of {energy.name} is not integrable at {fields.sentence(theta)}, "
            f"at time {time:.6g}",
            last_state=theta,
        ) from None
    low, high = min(p[0] for p in posteriors), max(p[1] for p in posteriors)
    return Frame(pool_x=x, pool_z=z, latent_z=(low, high))


def cells_for(
    fields: PlaneFields,
    nodes: DataNodes,
    theta: FloatArray,
    frame: Frame,
    latent_start: InitialLaw,
    pool_start: InitialLaw,
) -> tuple[int, int, int]:
    """Cells along the pool's x and z and the latents' z: a quarter of the shortest scale each.

    Scales are standard deviations of the starts and 1/sqrt of the largest curvature in the bulk.
    """
    joint = fields.at(theta).joint()
    region = bulk(joint, [frame.pool_x, frame.pool_z])
    x, z = (np.linspace(a, b, 41) for a, b in region)
    bend = joint.on_coordinates("hessian", [x[:, None], z])
    latent = np.linspace(*frame.latent_z, 161)
    conditional = joint.on_coordinates("potential", [nodes.x[:, None], latent])
    near = conditional < conditional.min(axis=1, keepdims=True) + 1
    inner = joint.on_coordinates("hessian", [nodes.x[:, None], latent])[1, 1]
    scales = (
        (frame.pool_x, float(bend[0, 0].max()), float(pool_start.sds[:, 0].min())),
        (frame.pool_z, float(bend[1, 1].max()), float(pool_start.sds[:, 1].min())),
        (frame.latent_z, float(inner[near].max()), float(latent_start.sds.min())),
    )
    counts = [_count(b - a, curvature, sd) for (a, b), curvature, sd in scales]
    return counts[0], counts[1], counts[2]


def _count(width: float, curvature: float, sd: float) -> int:
    scale = min(sd, 1 / math.sqrt(curvature) if curvature > 0 else math.inf)
    wanted = 8 * math.ceil(width / (_SPACING * scale) / 8)
    return int(min(max(wanted, _FEWEST), _MOST))


def _hull(a: Interval, b: Interval) -> Interval:
    return min(a[0], b[0]), max(a[1], b[1])


def _longer(interval: Interval, factor: float) -> Interval:
    low, high = interval
    more = (factor - 1) * (high - low) / 2
    return low - more, high + more


def _reach(law: InitialLaw, axis: int) -> Interval:
    means, sds = law.means[:, axis], law.sds[:, axis]
    return float((means - _REACH * sds).min()), float((means + _REACH * sds).max())
