"""Draws from a learned model: adjusted Langevin steps that begin at the persistent pool.

The pool follows the model while theta moves, with the bias of its unadjusted steps. At fixed theta
the adjusted algorithm (MALA) leaves exp(-E/T) invariant, so more steps only bring the law closer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError

# fewer cannot tune their step
FEWEST = 4


@dataclass(frozen=True, kw_only=True)
class Draws:
    """Samples w (n, dim_x + dim_z) of the model, and the share of accepted proposals."""

    values: FloatArray
    acceptance: float


def tempered(joint: Any, temperature: float) -> Any:
    """E/T, whose law exp(-E/T) is what was learned at that temperature."""
    if temperature == 1.0:
        return joint
    from lvebm_theory.callables import CallableEnergy

    return CallableEnergy(
        name=f"{joint.name} at temperature {temperature:g}",
        dim=joint.dim,
        potential_function=lambda x: joint.potential(x) / temperature,
        gradient_function=lambda x: joint.gradient(x) / temperature,
    )


def evenly(chance: FloatArray, count: int) -> npt.NDArray[np.int64]:
    """Rows below ``count``, one per uniform number: in random order, each as often within one.

    What starts there keeps the shares of modes that no chain leaves.
    """
    # low bits: an offset that knows nothing of the order
    ranks = np.argsort(chance, kind="stable") + (chance[0] * 2**20) % 1.0
    return np.asarray(np.minimum(ranks * count / len(chance), count - 1), dtype=np.int64)


def draw_model(
    joint: Any,
    pool: FloatArray,
    n: int,
    *,
    steps: int,
    step_size: float,
    temperature: float = 1.0,
    seed: int = 0,
) -> Draws:
    """n draws of exp(-E/T), each begun at a particle of the pool: every one as often, within one.

    Parameters
    ----------
    joint : Energy in (x, z)
    pool : array (M, d)
    steps : int
        Adjusted steps per draw; the first half tunes the step size. With fewer than four the
        draws are particles of the pool.

    Raises
    ------
    ArgumentError
        n < 1, or an empty pool.
    """
    from solvers.learning.conditional import ConditionalSampling, fill_in
    from solvers.noise import Noise

    if n < 1 or len(pool) == 0:
        raise ArgumentError(f"need n >= 1 draws from a pool of at least 1, got {n}, {len(pool)}")
    noise = Noise(seed, "draw")
    rows = evenly(noise.derive("row").uniforms(n, 0)[:, 0], len(pool))
    if steps < FEWEST:
        return Draws(values=np.asarray(pool[rows], dtype=np.float64), acceptance=1.0)
    found = fill_in(
        tempered(joint, temperature),
        np.zeros((n, pool.shape[1])),
        np.zeros(pool.shape[1], dtype=bool),
        settings=ConditionalSampling(chains=1, steps=steps, step_size=step_size),
        noise=noise,
        start=np.asarray(pool[rows], dtype=np.float64)[:, None],
    )
    return Draws(values=found.points[:, 0], acceptance=float(found.info["acceptance"][0]))
