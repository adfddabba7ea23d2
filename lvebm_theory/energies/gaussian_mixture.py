"""Mixtures of K isotropic Gaussians in d dimensions."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..constant import Constant, How
from ..energy import energy
from ..errors import ArgumentError
from ..facts import KnownFacts
from ..formula import log, log_sum_exp


def _prepare(dim: int | None, values: dict[str, Any]) -> dict[str, Any]:
    means = np.atleast_1d(values["means"])
    means = means[:, None] if means.ndim == 1 else means
    if means.ndim != 2:
        raise ArgumentError(f"gaussian_mixture: means must be (K, d), got {means.shape}")
    count = len(means)
    sds = np.broadcast_to(values["sds"], (count,)) if np.ndim(values["sds"]) == 0 else values["sds"]
    weights = values["weights"]
    weights = np.full(count, 1 / count) if np.ndim(weights) == 0 else weights
    if np.shape(sds) != (count,) or np.shape(weights) != (count,):
        raise ArgumentError(
            f"gaussian_mixture: {count} means need {count} sds and weights, got "
            f"{np.shape(sds)} and {np.shape(weights)}"
        )
    for name, entries in (("sds", sds), ("weights", weights)):
        if not np.all(np.asarray(entries) > 0):
            raise ArgumentError(f"gaussian_mixture: {name} must be > 0, got {list(entries)}")
    if abs(float(np.sum(weights)) - 1) > 1e-9:
        raise ArgumentError(f"gaussian_mixture: weights must sum to one, got {list(weights)}")
    return {"means": means, "sds": np.array(sds, dtype=float), "weights": np.array(weights)}


@energy(
    dim=1,
    any_dim=True,
    dim_from="means",
    prepare=_prepare,
    means=((-1.5,), (1.5,)),
    sds=0.6,
    weights=0.5,
)
def gaussian_mixture(x: Any, means: Any, sds: Any, weights: Any) -> Any:
    """U(x) = -log sum_k w_k N(x; m_k, s_k^2 I); normalised, so that Z = 1.

    ``means`` (K, d), ``sds`` scalar or (K,), ``weights`` (K,), or a scalar for equal weights.
    """
    from ..formula import pi

    d = len(x)
    exponents = [
        log(w) - d * log(s) - ((x - m) ** 2).sum() / (2 * s**2)
        for m, s, w in zip(means, sds, weights, strict=True)
    ]
    return d * log(2 * pi) / 2 - log_sum_exp(exponents)


@gaussian_mixture.facts
def _facts(dim: int, means: Any, sds: Any, weights: Any) -> KnownFacts:
    mean = weights @ means
    centred = means - mean
    covariance = np.einsum("k,ki,kj->ij", weights, centred, centred) + np.eye(dim) * float(
        weights @ sds**2
    )

    def sample(rng: np.random.Generator, n: int) -> Any:
        which = rng.choice(len(weights), size=n, p=weights)
        return means[which] + sds[which, None] * rng.standard_normal((n, dim))

    smallest, largest = float(sds.min()), float(sds.max())
    farthest = float(np.linalg.norm(means, axis=1).max())
    return KnownFacts(
        convexity=_convexity(means, sds),
        # Hess U = sum_k r_k I/s_k^2 - Cov_r(grad U_k); one component alone far out
        smoothness=_smoothness(means, sds),
        dissipativity=Constant.exact(
            1 / (2 * largest**2), "<x - m_k, x> >= |x|^2/2 - |m_k|^2/2 for each component"
        ),
        dissipativity_offset=farthest**2 / (2 * smallest**2),
        log_normaliser=Constant.exact(0.0, "the density is normalised"),
        mean=mean,
        covariance=covariance,
        sample=sample,
        box=tuple(
            (float((means[:, i] - 9 * sds).min()), float((means[:, i] + 9 * sds).max()))
            for i in range(dim)
        ),
        sources=dict.fromkeys(("mean", "covariance", "sample"), "mixture of Gaussians"),
    )


def _equal_widths(sds: Any) -> bool:
    return bool(np.all(sds == sds[0]))


def _smoothness(means: Any, sds: Any) -> Constant | None:
    convexity = _convexity(means, sds)
    if convexity is None:
        return None
    # eigenvalues lie in [1/s^2 - D^2/(4 s^4), 1/s^2], the upper end approached at infinity
    s2 = float(sds[0]) ** 2
    high = max(1 / s2, -convexity.lower)
    low = max(1 / s2, -convexity.upper)
    how = How.EXACT if low == high else How.CERTIFIED
    return Constant(
        value=high, lower=low, upper=high, how=how, source="1/s^2 minus the spread of the means"
    )


def _convexity(means: Any, sds: Any) -> Constant | None:
    if not _equal_widths(sds):
        return None
    s2 = float(sds[0]) ** 2
    gaps = np.linalg.norm(means[:, None] - means[None], axis=-1)
    # a law on points of diameter D has variance at most D^2/4 (Popoviciu)
    least = 1 / s2 - float(gaps.max()) ** 2 / (4 * s2**2)
    if len(means) <= 2:
        return Constant.exact(least, "Hess U = I/s^2 - Cov(m_k)/s^4 where both weigh equally")
    return Constant(
        value=least,
        lower=least,
        upper=1 / s2,
        how=How.CERTIFIED,
        source="Hess U = I/s^2 - Cov(m_k)/s^4 with Popoviciu's inequality",
    )
