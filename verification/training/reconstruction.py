"""Rows with missing values, filled in by draws from the model given what is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lvebm_theory.arrays import BoolArray, FloatArray
from lvebm_theory.errors import ArgumentError

if TYPE_CHECKING:
    from .trained import TrainedModel

STEPS = 400


@dataclass(frozen=True, kw_only=True)
class Reconstruction:
    """Draws of whole rows, known values as they came.

    Attributes
    ----------
    names : tuple of str
        Coordinates.
    missing : array of bool (n, d)
    draws : array (draws, n, d)
    disagreement : float or None
        Largest split R-hat of the chains: well above 1 where they do not tell the same law.
    """

    names: tuple[str, ...]
    missing: BoolArray
    draws: FloatArray
    disagreement: float | None


def fill_in(
    model: TrainedModel, rows: FloatArray, missing: BoolArray, *, draws: int, seed: int
) -> Reconstruction:
    """``draws`` chains per row of rows (n, d), in the reader's units; each gives one draw.

    Raises
    ------
    ArgumentError
        No row lacks anything.
    """
    from solvers.learning.conditional import ConditionalSampling, reconstruct
    from solvers.noise import Noise

    gaps = np.flatnonzero(missing.any(axis=1))
    if gaps.size == 0:
        raise ArgumentError(
            "nothing is missing: leave cells empty (or NaN), or name coordinates with --missing"
        )
    config, units = model.learner.config, model.points.units
    if config.training.temperature != 1.0:
        raise ArgumentError("reconstruction needs a model trained at temperature 1")
    energy = model.fast
    known = np.where(missing[gaps], 0.0, units.inside(rows[gaps]))
    found = reconstruct(
        energy,
        known,
        ~missing[gaps],
        settings=ConditionalSampling(
            chains=draws,
            steps=STEPS,
            step_size=config.training.pool_step * model.state.step_scale,
        ),
        noise=Noise(seed, "reconstruct"),
        start=np.asarray(model.state.pool, dtype=np.float64),
    )
    whole = np.repeat(rows[None], draws, axis=0)
    drawn = units.outside(found.points[:, :, : energy.dim_x]).transpose(1, 0, 2)
    # known values keep their own digits, untouched by the change of units
    whole[:, gaps] = np.where(missing[gaps], drawn, rows[gaps])
    seen = found.info.get("disagreement")
    return Reconstruction(
        names=model.points.coordinates,
        missing=missing,
        draws=whole,
        disagreement=None if seen is None else float(seen["largest"]),
    )
