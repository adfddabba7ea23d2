"""Brackets of log Z and of the mean log-likelihood beyond the reach of quadrature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError, SolverError
from lvebm_theory.gaussian import Gaussian

from ...noise import Noise
from .annealed import Annealing, Base, Differentiable, Field, forward, reverse, rows
from .bracket import Bracket, lower_side, mean_lower_side, upper_side
from .exact_samples import ExactSamples

if TYPE_CHECKING:
    from lvebm_theory.protocols import JointEnergy


def log_normaliser_bracket(
    energy: Differentiable,
    base: Gaussian,
    *,
    chains: int,
    annealing: Annealing,
    noise: Noise,
    alpha: float = 0.01,
    exact: ExactSamples | None = None,
) -> Bracket:
    """log Z of exp(-U): the lower side by annealing forward, the upper one in reverse.

    Parameters
    ----------
    energy : with ``dim``, ``potential`` and ``gradient``
    base : Gaussian
        Exact starts of the forward side; best near the target and a little wider.
    chains : int
        Of the forward side.
    alpha : float
        Error probability of the bracket, shared by the sides that there are.
    exact : ExactSamples, optional
        Starts of the reverse side; without them the bracket has a lower side only.

    Raises
    ------
    ArgumentError
        ``exact`` is a bare array, of unknown law.
    SolverError
        The sides contradict each other: the starts of the reverse side were not exact.
    """
    if exact is not None and not isinstance(exact, ExactSamples):
        raise ArgumentError(
            "the reverse side needs ExactSamples, draws with the reason why their law is the "
            f"model's, got {type(exact).__name__}"
        )
    if base.dim != energy.dim:
        raise ArgumentError(f"the base has dimension {base.dim}, the energy {energy.dim}")
    share = alpha if exact is None else alpha / 2
    field = rows(energy)
    there = forward(field, Base.of(base, chains), annealing, noise.derive("forward"))
    lower = lower_side(there.log_weights, share)
    if exact is None:
        return Bracket(lower=lower, route="annealing")
    points = exact.points
    back = reverse(field, Base.of(base, len(points)), annealing, noise.derive("reverse"), points)
    bracket = Bracket(
        lower=lower, upper=upper_side(back.log_weights, share), route="annealing in both directions"
    )
    return _consistent(bracket, exact.origin)


def _consistent(bracket: Bracket, origin: str) -> Bracket:
    if bracket.crossed:
        low, high = bracket.ends
        raise SolverError(
            f"the reverse side ends at {high:.6g}, below the forward side at {low:.6g}: its starts "
            f"cannot have the model's law ({origin})"
        )
    return bracket


def conditional_field(joint: JointEnergy, x: FloatArray) -> Field:
    """z -> E(x_i, z) row by row, with its gradient in z; x (n, dim_x)."""
    both = rows(joint.joint())
    cut = joint.dim_x

    def field(z: FloatArray) -> tuple[FloatArray, FloatArray]:
        u, g = both(np.hstack([x, z]))
        return u, g[:, cut:]

    return field


def mean_log_integral_bracket(
    joint: JointEnergy,
    x: npt.ArrayLike,
    base: Gaussian,
    *,
    annealing: Annealing,
    noise: Noise,
    chains: int = 8,
    alpha: float = 0.01,
    exact_latents: ExactSamples | None = None,
) -> Bracket:
    """mean_i log int exp(-E(x_i, z)) dz over data x (n, dim_x), latents by annealing.

    Parameters
    ----------
    base : Gaussian on (x, z)
        Its conditionals given x_i are where the latents start; fit it to joint particles.
    chains : int
        Per datum.
    exact_latents : ExactSamples, optional
        One z_i per datum, drawn with x_i from the model: then z_i given x_i is exact, and the
        bracket has its upper side. Only simulated data have it.
    """
    data = np.asarray(x, dtype=float)
    if data.ndim != 2 or data.shape[1] != joint.dim_x or base.dim != joint.dim_x + joint.dim_z:
        raise ArgumentError(
            f"need data (n, {joint.dim_x}) and a base on {joint.dim_x + joint.dim_z} coordinates, "
            f"got {data.shape} and {base.dim}"
        )
    start = _conditional_base(base, data)
    many = np.repeat(data, chains, 0)
    wide = Base(means=np.repeat(start.means, chains, 0), root=start.root)
    there = forward(conditional_field(joint, many), wide, annealing, noise.derive("latents"))
    per_datum = _log_means(there.log_weights, chains)
    share = alpha if exact_latents is None else alpha / 2
    lower = mean_lower_side(per_datum, share)
    if exact_latents is None:
        return Bracket(lower=lower, route="annealing of the latents")
    back = reverse(
        conditional_field(joint, data), start, annealing, noise.derive("back"), exact_latents.points
    )
    upper = mean_lower_side(back.log_weights, share).negated()
    bracket = Bracket(lower=lower, upper=upper, route="annealing of the latents both ways")
    return _consistent(bracket, exact_latents.origin)


def _conditional_base(base: Gaussian, data: FloatArray) -> Base:
    """N(E[z | x_i], Cov[z | x]) of a Gaussian on (x, z)."""
    cut = data.shape[1]
    gain = np.linalg.solve(base.covariance[:cut, :cut], base.covariance[:cut, cut:]).T
    law = base.conditional(range(cut), base.mean[:cut])
    return Base(means=law.mean + (data - base.mean[:cut]) @ gain.T, root=law.root)


def _log_means(log_weights: FloatArray, chains: int) -> FloatArray:
    table = log_weights.reshape(-1, chains)
    top = table.max(1)
    return np.asarray(top + np.log(np.exp(table - top[:, None]).mean(1)))


def negated_mean_energy(energy: Any, x: FloatArray) -> Bracket:
    """mean_i of -U(x_i), which is no estimate at all: both sides at one value."""
    return Bracket.from_width(float(-np.mean(energy.potential(x))), 0.0, route="evaluation")


def mean_log_likelihood(log_integrals: Bracket, log_normaliser: Bracket) -> Bracket:
    """mean_i log p(x_i) from the bracket of its integrals (or of -U) and that of log Z.

    The lower side needs the UPPER side of log Z, which annealing gives only in reverse.
    """
    return log_integrals.minus(log_normaliser)
