"""The algorithm that ``[training]`` describes, as the solver's own settings."""

from __future__ import annotations

import re
from typing import Any, Literal

from lvebm_theory.errors import ArgumentError
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import JointEnergy
from solvers.learning.projections import AboveSquare, Box, PositiveDefinite
from solvers.learning.projections import Projection as SolverProjection
from solvers.learning.rates import Constant, RobbinsMonro, TorchOptimizer
from solvers.learning.rates import Rate as SolverRate
from solvers.learning.settings import LearningSettings
from solvers.noise.backends import Real

from ..discovery import nearest
from .config import DATA, DEFAULT, Projection, Rate, Training

# data per update of a network: more cost time and give little
NETWORK_BATCH = 1000
Backend = Literal["numba", "torch"]


def learning_settings(training: Training, energy: JointEnergy, data: int) -> LearningSettings:
    """Step sizes, particles and order for an energy and a number of data.

    Raises
    ------
    ArgumentError
        A parameter is named that the energy does not have.
    """
    names = list(energy.parameters)
    if training.learned is not None:
        _refuse_names(training.learned, names, "training.learned")
    batch = training.batch
    if batch is None and hasattr(energy, "network") and data > NETWORK_BATCH:
        batch = NETWORK_BATCH
    return LearningSettings(
        latents=training.latents,
        pool=training.pool,
        latent_step=training.latent_step,
        pool_step=training.pool_step,
        inner_steps=training.inner_steps,
        rate=_rate(training.rate),
        order="sequential" if training.order == "sequential" else "simultaneous",
        batch=batch,
        projection=_projection(training.projection, names),
        temperature=training.temperature,
        gradient_noise=training.gradient_noise,
        learned=training.learned,
        averaging_after=_averaging_after(training),
        acceptance=training.acceptance or None,
    )


def _averaging_after(training: Training) -> int | None:
    if training.averaging == 0:
        return None
    return round((1 - training.averaging) * training.updates)


def _rate(rate: float | Rate) -> SolverRate | TorchOptimizer:
    if isinstance(rate, float):
        return Constant(rate)
    if rate.kind == "constant":
        return Constant(rate.value)
    if rate.kind == "robbins-monro":
        return RobbinsMonro(rate.value, rate.offset, rate.power)
    return TorchOptimizer(rate.kind, {"lr": rate.value, **rate.options}, halving=rate.halving)


def _projection(projection: Projection | None, names: list[str]) -> SolverProjection | None:
    if projection is None:
        return None
    if projection.kind == "box":
        given = [*projection.lower, *projection.upper]
        if not given:
            raise ArgumentError("training.projection of kind box needs lower or upper bounds")
        _refuse_names(given, names, "training.projection")
        return Box(lower=projection.lower, upper=projection.upper)
    if projection.kind == "above-square":
        _refuse_names([projection.a, projection.b], names, "training.projection")
        return AboveSquare(a=projection.a, b=projection.b, margin=projection.margin)
    return PositiveDefinite(matrix=projection.matrix, margin=projection.margin)


def _refuse_names(given: Any, names: list[str], where: str) -> None:
    whole = {re.sub(r"(_\d+)+$", "", name) for name in names}  # arrays may be named whole
    for name in given:
        if name not in names and name not in whole:
            raise ArgumentError(
                f"{where} names {name!r}{nearest(name, names)} (the energy has {', '.join(names)})"
            )


def latent_law(training: Training, energy: JointEnergy) -> InitialLaw:
    """Law of the latents at the start."""
    return _law(training.latent_start, energy.dim_z, "training.latent_start")


def pool_law(training: Training, energy: JointEnergy) -> InitialLaw | None:
    """Law of the pool at the start; None where it starts from the data."""
    if training.pool_start == DATA:
        return None
    return _law(training.pool_start, energy.dim_x + energy.dim_z, "training.pool_start")


def _law(text: str, dim: int, where: str) -> InitialLaw:
    from lvebm_theory.parse_law import parse_initial

    try:
        return parse_initial(text, dim)
    except ArgumentError as error:
        raise ArgumentError(f"{where}: {error}") from error


def back_end(training: Training) -> Backend:
    """Compiled loops on the CPU and tensors elsewhere, where nothing is said."""
    if training.backend == "torch" or training.device == "cuda":
        return "torch"
    return "numba"


def precision(training: Training, *, formula: bool) -> Real:
    """float64 for formulas and float32 for networks, where nothing is said."""
    if training.dtype == "float32" or (training.dtype == DEFAULT and not formula):
        return "float32"
    return "float64"
