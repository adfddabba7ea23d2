"""A mean-field run at chosen times, with the half-widths of everything asked of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lvebm_theory import functionals
from lvebm_theory.arrays import FloatArray

from ..densities.extrapolation import extrapolate
from . import mean_field_values as values
from .mean_field_frame import Frame
from .mean_field_level import LevelRun, MeanFieldState
from .plane_fields import PlaneFields

Curve = tuple[FloatArray, FloatArray]

SHARES = (3, 4, 6, 8)  # eighths of cells, steps and data nodes, coarsest resolution first


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
        table = np.array([[function(s) for s in run.states] for run in self.levels])
        value, width = extrapolate(table, SHARES)
        return value, width + beyond_boxes(self.levels) * (1 + np.abs(table).max(axis=0))

    def log_likelihood(self) -> Curve:
        """L(theta_t) by quadrature on grids of its own, nats."""
        return self.functional(
            lambda s: values.log_likelihood(self.fields, self.frame, self.data, s.theta)
        )

    def posterior_relative_entropy(self) -> Curve:
        """E_data KL(q_x | posterior), nats."""
        return self.functional(lambda s: values.posterior_relative_entropy(self.fields, s))

    def model_relative_entropy(self) -> Curve:
        """KL(p | p_theta), nats."""
        return self.functional(lambda s: values.model_relative_entropy(self.fields, s))

    def saddle(self) -> Curve:
        """J = E_data{H(q_x) - E_q E} + E_p E - H(p), nats: no normaliser enters."""
        return self.functional(lambda s: values.saddle(self.fields, s))

    def pool_expectation(self, f: Callable[..., npt.ArrayLike]) -> Curve:
        """E_p f(x, z)."""

        def mean(s: MeanFieldState) -> float:
            at_nodes = np.broadcast_to(f(s.pool_plane.x, s.pool_plane.z), s.pool.shape)
            return functionals.expectation(s.pool, at_nodes)

        return self.functional(mean)

    def latent_expectation(self, f: Callable[..., npt.ArrayLike]) -> Curve:
        """E_data E_{q_x} f(x, z)."""

        def mean(s: MeanFieldState) -> float:
            plane = s.latent_plane
            at_nodes = np.broadcast_to(f(plane.x, plane.z), s.latents.shape)
            return functionals.expectation(plane.weights[:, None] * s.latents, at_nodes)

        return self.functional(mean)


def beyond_boxes(runs: Sequence[LevelRun]) -> float:
    """Bound of what mass beyond the boxes could change, per nat."""
    edge = max(*(run.edge for run in runs), 1e-300)
    return edge * (1 - math.log(edge))
