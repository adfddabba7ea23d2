"""The mean log-likelihood of data under a learned model, by the best route that applies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lvebm_theory.arrays import FloatArray

from .units import Units

if TYPE_CHECKING:
    from solvers.learning.likelihood.bracket import Bracket

# quadrature takes so many coordinates of data and of latents, and so many in all in a minute
DATA_DIM, LATENT_DIM, WHOLE_DIM = 3, 2, 4
TOLERANCE = 1e-4
MOST_DATA = 500
CHAINS, STEPS = 400, 300
# a base wider than the pool reaches what the pool has not
WIDER = 1.3


def log_likelihood(
    energy: Any, x: FloatArray, units: Units, pool: FloatArray, *, seed: int, alpha: float
) -> Bracket:
    """Bracket of mean_i log p(x_i), x in the reader's units.

    Up to four coordinates (x and z together) by quadrature, exact up to its width. Beyond, latents
    are integrated by quadrature (two at most) or annealing, and log Z by annealing from a Gaussian
    around the pool. Without exact samples of the model that leaves one side, and says which.

    Parameters
    ----------
    energy : joint energy, for many evaluations
    x : array (n, dim_x); the first few hundred rows are used
    pool : array (M, dim_x + dim_z)
        Where the model has its mass.
    """
    from solvers.learning.likelihood.density import log_marginal_density

    y = units.inside(x[:MOST_DATA])
    volume = -float(np.log(units.scale).sum())
    if energy.dim_x + energy.dim_z <= WHOLE_DIM and _by_quadrature(energy):
        return log_marginal_density(energy, y, tolerance=TOLERANCE).mean.shifted(volume)
    return _annealed(energy, y, pool, seed, alpha).shifted(volume)


def _by_quadrature(energy: Any) -> bool:
    return bool(energy.dim_x <= DATA_DIM and energy.dim_z <= LATENT_DIM)


def _annealed(energy: Any, y: FloatArray, pool: FloatArray, seed: int, alpha: float) -> Bracket:
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
    if _by_quadrature(energy):
        integrals = _latents_by_quadrature(energy, y)
    else:
        integrals = mean_log_integral_bracket(
            energy, y, base, annealing=annealing, noise=noise, alpha=alpha / 2
        )
    return mean_log_likelihood(integrals, normaliser)


def _latents_by_quadrature(energy: Any, y: FloatArray) -> Bracket:
    """mean_i log int exp(-E(y_i, z)) dz, with its width."""
    from solvers.learning.likelihood.bracket import Bracket
    from solvers.learning.likelihood.density import marginal_energy

    values, widths = marginal_energy(energy, y, tolerance=TOLERANCE).with_widths(y)
    return Bracket.from_width(float(-values.mean()), float(widths.mean()))
