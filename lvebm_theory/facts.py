"""What is exactly known about an energy, each with where it comes from."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from .arrays import FloatArray
from .constant import Constant


@dataclass(frozen=True, kw_only=True)
class KnownFacts:
    """Exact knowledge about pi proportional to exp(-U); None where nothing is known.

    Parameters
    ----------
    gap, log_sobolev, smoothness, convexity, dissipativity : Constant, optional
        Poincare constant, LSI constant, Lipschitz constant of grad U (the largest absolute
        eigenvalue of Hess U), least eigenvalue of Hess U, and a in <grad U, x> >= a |x|^2 - c.
    dissipativity_offset : float, optional
        c.
    log_normaliser : Constant, optional
        log of Z = int exp(-U).
    mean, covariance : arrays (d,) and (d, d), optional
    sample : callable (rng, n) -> (n, d), optional
        Exact independent draws from pi.
    box : tuple of (low, high), optional
        A hint where the mass is, one pair per coordinate; proves nothing.
    sources : mapping from fact to where it comes from
        Required for mean, covariance and sample; the constants carry their own.
    """

    gap: Constant | None = None
    log_sobolev: Constant | None = None
    smoothness: Constant | None = None
    convexity: Constant | None = None
    dissipativity: Constant | None = None
    dissipativity_offset: float | None = None
    log_normaliser: Constant | None = None
    mean: FloatArray | None = None
    covariance: FloatArray | None = None
    sample: Callable[[np.random.Generator, int], FloatArray] | None = None
    box: tuple[tuple[float, float], ...] | None = None
    sources: Mapping[str, str] = field(default_factory=dict)

    def constants(self) -> dict[str, Constant]:
        """The constants that are known, by name."""
        names = ("gap", "log_sobolev", "smoothness", "convexity", "dissipativity")
        return {n: c for n in (*names, "log_normaliser") if (c := getattr(self, n)) is not None}


NOTHING_KNOWN = KnownFacts()


def gaussian_facts(
    precision: FloatArray, mean: FloatArray, value_at_mean: float = 0.0
) -> KnownFacts:
    """Everything about pi = N(mean, precision^{-1}) when U is its quadratic form.

    Parameters
    ----------
    precision : array (d, d), symmetric positive definite
    mean : array (d,)
    value_at_mean : float
        U(mean); it shifts the normaliser.
    """
    dim = len(mean)
    eigenvalues = np.linalg.eigvalsh(precision)
    low, high = float(eigenvalues[0]), float(eigenvalues[-1])
    exact = "eigenvalue of the precision matrix (Gaussian)"
    # <P(x-m), x> >= a|x|^2 - c for a < low, with c the maximum of a concave quadratic
    rate = low if not np.any(mean) else low / 2
    pull = precision @ mean
    offset = 0.0
    if np.any(mean):
        offset = float(pull @ np.linalg.solve(precision - rate * np.eye(dim), pull)) / 4
    covariance = np.asarray(np.linalg.inv(precision), dtype=np.float64)
    root = np.linalg.cholesky(covariance)
    log_normaliser = (dim * math.log(2 * math.pi) - float(np.log(eigenvalues).sum())) / 2
    log_normaliser -= value_at_mean
    return KnownFacts(
        gap=Constant.exact(low, f"smallest {exact}"),
        log_sobolev=Constant.exact(low, f"smallest {exact}; Bakry-Emery with equality"),
        smoothness=Constant.exact(high, f"largest {exact}"),
        convexity=Constant.exact(low, f"smallest {exact}"),
        dissipativity=Constant.exact(rate, "quadratic form, completed square"),
        dissipativity_offset=offset,
        log_normaliser=Constant.exact(log_normaliser, "Gaussian integral"),
        mean=mean,
        covariance=covariance,
        sample=lambda rng, n: mean + rng.standard_normal((n, dim)) @ root.T,
        box=tuple(
            (float(m - 9 * s), float(m + 9 * s))
            for m, s in zip(mean, np.sqrt(np.diag(covariance)), strict=True)
        ),
        sources={"mean": "Gaussian", "covariance": "Gaussian", "sample": "Cholesky factor"},
    )
