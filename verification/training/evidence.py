"""The mean log-likelihood of data under a learned model, by the best route that applies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lvebm_theory.protocols import JointEnergy

from .units import Units

if TYPE_CHECKING:
    from solvers.learning.likelihood.bracket import Bracket

FloatArray = npt.NDArray[np.float64]
# quadrature up to here; data and latents it takes beyond, but not in seconds
QUADRATURE_DIM, LATENT_DIM = 3, 2
MOST_DATA = 500
CHAINS, STEPS = 400, 300
# a base wider than the pool reaches what the pool has not
WIDER = 1.3


def log_likelihood(
    energy: JointEnergy, x: FloatArray, units: Units, pool: FloatArray, *, seed: int, alpha: float
) -> Bracket:
    """Bracket of mean_i log p(x_i), x in the reader's units.

    Up to three coordinates (x and z together) by quadrature, exact up to its width. Beyond, latents
    are integrated by quadrature (two at most) or annealing, and log Z by annealing from a Gaussian
    around the pool. Without exact samples of the model that leaves one side, and says which.

    Parameters
    ----------
    x : array (n, dim_x); the first few hundred rows are used
    pool : array (M, dim_x + dim_z)
        Where the model has its mass.
    """
    from solvers.learning.likelihood.density import log_marginal_density

    y = units.inside(x[:MOST_DATA])
    volume = -float(np.log(units.scale).sum())
    joint: Any = energy
    if energy.dim_x + energy.dim_z <= QUADRATURE_DIM and energy.dim_z <= LATENT_DIM:
        return log_marginal_density(joint, y).mean.shifted(volume)
    return _annealed(energy, y, pool, seed, alpha).shifted(volume)


def _annealed(
    energy: JointEnergy, y: FloatArray, pool: FloatArray, seed: int, alpha: float
) -> Bracket:
    from lvebm_theory.gaussian import Gaussian
    from solvers.learning.likelihood.annealed import Annealing
    from solvers.learning.likelihood.model_evidence import (
        log_normaliser_bracket,
        mean_log_integral_bracket,
        mean_log_likelihood,
    )
    from solvers.noise import Noise

    base = Gaussian(pool.mean(axis=0), WIDER**2 * np.cov(pool, rowvar=False))
    annealing, noise = Annealing(steps=STEPS), Noise(seed, "likelihood")
    normaliser = log_normaliser_bracket(
        energy.joint(), base, chains=CHAINS, annealing=annealing, noise=noise, alpha=alpha / 2
    )
    if energy.dim_x <= 3 and energy.dim_z <= LATENT_DIM:
        integrals = _latents_by_quadrature(energy, y)
    else:
        integrals = mean_log_integral_bracket(
            energy, y, base, annealing=annealing, noise=noise, alpha=alpha / 2
        )
    return mean_log_likelihood(integrals, normaliser)


def _latents_by_quadrature(energy: JointEnergy, y: FloatArray) -> Bracket:
    """mean_i log int exp(-E(y_i, z)) dz, with its width."""
    from solvers.learning.likelihood.bracket import Bracket
    from solvers.learning.likelihood.density import marginal_energy

    joint: Any = energy
    values, widths = marginal_energy(joint, y, tolerance=1e-4).with_widths(y)
    return Bracket.from_width(float(-values.mean()), float(widths.mean()))
