"""Draws from a learned model: adjusted Langevin steps that begin at the persistent pool.

The pool follows the model while theta moves, with the bias of its unadjusted steps. At fixed theta
the adjusted algorithm (MALA) leaves exp(-E/T) invariant, so more steps only bring the law closer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from lvebm_theory.errors import ArgumentError
from lvebm_theory.protocols import Energy
from solvers.noise import Noise

FloatArray = npt.NDArray[np.float64]
Backend = Literal["numba", "torch", "numpy"]


@dataclass(frozen=True, kw_only=True)
class Draws:
    """Samples w (n, dim_x + dim_z) of the model, and the share of accepted proposals."""

    values: FloatArray
    acceptance: float


def tempered(joint: Energy, temperature: float) -> Energy:
    """E/T, whose law exp(-E/T) is what was learned at that temperature."""
    if temperature == 1.0:
        return joint
    from lvebm_theory.callables import CallableEnergy

    return CallableEnergy(
        name=f"{joint.name} at temperature {temperature:g}",
        dim=joint.dim,
        potential_function=lambda x: joint.potential(x) / temperature,
        gradient_function=lambda x: joint.gradient(x) / temperature,
        smooth=joint.smooth,
    )


def draw_model(
    joint: Energy,
    pool: FloatArray,
    n: int,
    *,
    steps: int,
    step_size: float,
    temperature: float = 1.0,
    seed: int = 0,
    backend: Backend = "numba",
) -> Draws:
    """n draws of exp(-E/T), each begun at a particle of the pool.

    Parameters
    ----------
    pool : array (M, d)
        Where chains begin; when n > M several begin at one particle and part by their noise.
    steps : int
        Adjusted steps per draw.

    Raises
    ------
    ArgumentError
        n < 1, or an empty pool.
    """
    if n < 1 or len(pool) == 0:
        raise ArgumentError(f"need n >= 1 draws from a pool of at least 1, got {n}, {len(pool)}")
    noise = Noise(seed, "draw")
    order = np.argsort(noise.derive("order").uniforms(len(pool), 0)[:, 0], kind="stable")
    start = np.asarray(pool, dtype=np.float64)[order[np.arange(n) % len(pool)]]
    if steps == 0:
        return Draws(values=start, acceptance=1.0)
    from solvers.evolve import simulate
    from solvers.particles import mala

    run = simulate(
        tempered(joint, temperature),
        mala,
        start,
        step_size=step_size,
        steps=steps,
        noise=noise,
        backend=backend,
    )
    return Draws(values=np.asarray(run.final), acceptance=float(run.info["accepted"]))
