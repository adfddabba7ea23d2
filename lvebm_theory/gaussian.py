"""Gaussian laws in closed form: distances, functionals, and how Langevin moves them.

Divergences are computed from the eigenvalues r_i of S0^{-1/2} S S0^{-1/2} and the components
w_i of S0^{-1/2} (m - m0), which keeps them accurate where the two laws nearly agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh

from .arrays import FloatArray
from .errors import ArgumentError
from .initial import InitialLaw


def _symmetric(name: str, matrix: npt.ArrayLike, dim: int) -> FloatArray:
    a = np.array(matrix, dtype=float)
    if a.ndim < 2:
        a = a.reshape(1, 1) if a.size == 1 else np.diag(a)
    if a.shape != (dim, dim) or not np.all(np.isfinite(a)):
        raise ArgumentError(f"{name} must be a finite ({dim}, {dim}) matrix, got {a.shape}")
    if np.abs(a - a.T).max() > 1e-10 * max(np.abs(a).max(), 1e-300):
        raise ArgumentError(f"{name} must be symmetric")
    return np.asarray((a + a.T) / 2)


def _root(matrix: FloatArray) -> FloatArray:
    """Symmetric square root of a positive semidefinite matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T)


def _minus_log1p(x: FloatArray) -> FloatArray:
    """x - log(1 + x), without cancellation at 0; relative error below 1e-14."""
    k = np.arange(2, 12)
    series = ((-1.0) ** k / k * np.asarray(x)[..., None] ** k).sum(-1)
    with np.errstate(divide="ignore"):
        return np.where(np.abs(x) < 0.02, series, x - np.log1p(x))


@dataclass(frozen=True)
class Gaussian:
    """N(mean, covariance) on R^d.

    Parameters
    ----------
    mean : array (d,)
        A scalar means dimension one.
    covariance : array (d, d)
        Symmetric positive semidefinite; a vector means its diagonal.
    """

    mean: FloatArray
    covariance: FloatArray

    if TYPE_CHECKING:  # what the constructor takes is wider than what the fields hold

        def __init__(self, mean: npt.ArrayLike, covariance: npt.ArrayLike) -> None: ...

    def __post_init__(self) -> None:
        mean = np.atleast_1d(np.array(self.mean, dtype=float))
        if mean.ndim != 1 or not np.all(np.isfinite(mean)):
            raise ArgumentError(f"a Gaussian needs a finite mean vector, got shape {mean.shape}")
        covariance = _symmetric("a covariance", self.covariance, mean.size)
        values = np.linalg.eigvalsh(covariance)
        if values[0] < -1e-12 * max(values[-1], 1e-300):
            raise ArgumentError(f"a covariance has no negative eigenvalues, got {values[0]:g}")
        for name, a in (("mean", mean), ("covariance", covariance)):
            a.setflags(write=False)
            object.__setattr__(self, name, a)

    @classmethod
    def from_precision(cls, mean: npt.ArrayLike, precision: npt.ArrayLike) -> Gaussian:
        """N(mean, precision^{-1}): the target of U = (x - mean)' precision (x - mean) / 2."""
        centre = np.atleast_1d(np.asarray(mean, dtype=float))
        inverse = np.linalg.inv(_symmetric("a precision", precision, centre.size))
        return cls(centre, np.asarray((inverse + inverse.T) / 2, dtype=float))

    @classmethod
    def matching(cls, law: InitialLaw) -> Gaussian:
        """The Gaussian with the moments of an initial law; that law itself if unmixed."""
        return cls(law.mean, law.covariance)

    @property
    def dim(self) -> int:
        """Dimension d."""
        return int(self.mean.size)

    @cached_property
    def precision(self) -> FloatArray:
        """Inverse covariance, shape (d, d)."""
        inverse = np.linalg.inv(self.covariance)
        return np.asarray((inverse + inverse.T) / 2)

    @cached_property
    def root(self) -> FloatArray:
        """Symmetric square root of the covariance, shape (d, d)."""
        return _root(self.covariance)

    @property
    def entropy(self) -> float:
        """H = (d (1 + log 2 pi) + log det S) / 2 in nats; -inf when S is singular."""
        sign, log_det = np.linalg.slogdet(self.covariance)
        log_det = float(log_det) if sign > 0 else -np.inf
        return float(0.5 * (self.dim * (1 + np.log(2 * np.pi)) + log_det))

    def log_density(self, x: FloatArray) -> FloatArray:
        """Logarithm of the density at x (n, d), shape (n,)."""
        centred = np.asarray(x) - self.mean
        quadratic = np.einsum("ni,ij,nj->n", centred, self.precision, centred)
        return np.asarray(0.5 * (self.dim - quadratic) - self.entropy)

    def push_normals(self, normals: FloatArray) -> FloatArray:
        """Draws mean + S^{1/2} xi from standard normals xi (n, d), shape (n, d)."""
        return np.asarray(self.mean + normals @ self.root)

    def marginal(self, indices: Sequence[int]) -> Gaussian:
        """Law of the coordinates ``indices``."""
        keep = np.asarray(indices, dtype=int)
        return Gaussian(self.mean[keep], self.covariance[np.ix_(keep, keep)])

    def conditional(self, indices: Sequence[int], values: npt.ArrayLike) -> Gaussian:
        """Law of the other coordinates (in order) given x[indices] = values.

        N(m_z + S_zx S_xx^{-1} (x - m_x), S_zz - S_zx S_xx^{-1} S_xz)
        """
        given = np.asarray(indices, dtype=int)
        rest = np.setdiff1d(np.arange(self.dim), given)
        gain = np.linalg.solve(
            self.covariance[np.ix_(given, given)], self.covariance[np.ix_(given, rest)]
        ).T
        shift = np.atleast_1d(np.asarray(values, dtype=float)) - self.mean[given]
        covariance = self.covariance[np.ix_(rest, rest)]
        covariance = covariance - gain @ self.covariance[np.ix_(given, rest)]
        return Gaussian(self.mean[rest] + gain @ shift, (covariance + covariance.T) / 2)


def _relative(mu: Gaussian, pi: Gaussian) -> tuple[FloatArray, FloatArray]:
    """Eigenvalues r of S0^{-1/2} S S0^{-1/2} and (m - m0) in that eigenbasis."""
    if mu.dim != pi.dim:
        raise ArgumentError(f"two Gaussians of one dimension needed, got {mu.dim} and {pi.dim}")
    try:
        ratios, vectors = eigh(mu.covariance, pi.covariance)
    except np.linalg.LinAlgError as error:
        raise ArgumentError("the reference Gaussian has a singular covariance") from error
    # v' S0 v = 1, so v' (m - m0) is the component of S0^{-1/2} (m - m0)
    components = np.linalg.solve(pi.covariance @ vectors, mu.mean - pi.mean)
    return ratios, components


def relative_entropy(mu: Gaussian, pi: Gaussian) -> float:
    """KL(N(m, S) || N(m0, S0)), in nats.

    KL = [tr(S0^{-1} S) + (m - m0)' S0^{-1} (m - m0) - d - log(det S / det S0)] / 2
    """
    ratios, components = _relative(mu, pi)
    return float(0.5 * (_minus_log1p(ratios - 1).sum() + (components**2).sum()))


def chi_square(mu: Gaussian, pi: Gaussian) -> float:
    """chi2(mu || pi) = int (dmu/dpi)^2 dpi - 1; infinite unless S < 2 S0.

    log(1 + chi2) = sum_i w_i^2 / (2 - r_i) - log(1 - (1 - r_i)^2) / 2
    """
    ratios, components = _relative(mu, pi)
    if ratios.max() >= 2 or ratios.min() <= 0:
        return np.inf
    log_ratio = components**2 / (2 - ratios) - 0.5 * np.log1p(-((1 - ratios) ** 2))
    with np.errstate(over="ignore"):
        return float(np.expm1(log_ratio.sum()))


def fisher_information(mu: Gaussian, pi: Gaussian) -> float:
    """FI(mu || pi) = E_mu |grad log(mu / pi)|^2; infinite when S is singular.

    FI = |P0 (m - m0)|^2 + tr[(P - P0) S (P - P0)], P and P0 the precisions.
    """
    if np.linalg.eigvalsh(mu.covariance)[0] <= 0:
        return np.inf
    shift = pi.precision @ (mu.mean - pi.mean)
    # (P - P0) S (P - P0) = C' P C with C = I - S P0, computed from S0 - S against cancellation
    change = (pi.covariance - mu.covariance) @ pi.precision
    return float(
        shift @ shift + np.trace(change.T @ mu.precision @ mu.precision @ change @ mu.covariance)
    )


def wasserstein(mu: Gaussian, nu: Gaussian) -> float:
    """W2(mu, nu), not squared; Bures for the covariances.

    W2^2 = |m1 - m2|^2 + tr(A + B - 2 (A^{1/2} B A^{1/2})^{1/2})

    evaluated as |A^{1/2} - O B^{1/2}|_F^2 with O the orthogonal matrix that makes it least, which
    has absolute error 1e-15 where the trace form has 1e-8.
    """
    if mu.dim != nu.dim:
        raise ArgumentError(f"two Gaussians of one dimension needed, got {mu.dim} and {nu.dim}")
    left, _, right = np.linalg.svd(nu.root @ mu.root)
    bures = np.linalg.norm(mu.root - (left @ right).T @ nu.root)
    return float(np.hypot(np.linalg.norm(mu.mean - nu.mean), bures))


def optimal_map(mu: Gaussian, nu: Gaussian) -> FloatArray:
    """Matrix T of the optimal map x -> m2 + T (x - m1): A^{-1/2}(A^{1/2}BA^{1/2})^{1/2}A^{-1/2}."""
    inverse = np.linalg.inv(mu.root)
    return np.asarray(inverse @ _root(mu.root @ nu.covariance @ mu.root) @ inverse)


def expected_energy(mu: Gaussian, target: Gaussian) -> float:
    """E_mu U for U(x) = (x - m0)' S0^{-1} (x - m0) / 2, target = N(m0, S0)."""
    shift = mu.mean - target.mean
    return float(
        0.5 * (np.trace(target.precision @ mu.covariance) + shift @ target.precision @ shift)
    )


def langevin_flow(start: Gaussian, target: Gaussian, time: float) -> Gaussian:
    """Law at ``time`` of dX = -grad U dt + sqrt(2) dW for the quadratic U of ``target``.

    m_t = m0 + e^{-P t} (m - m0),   V_t = S0 + e^{-P t} (V - S0) e^{-P t},   P = S0^{-1}
    """
    return langevin_flow_quadratic(start, target.precision, target.mean, time)


def langevin_flow_quadratic(
    start: Gaussian, hessian: npt.ArrayLike, centre: npt.ArrayLike, time: float
) -> Gaussian:
    """The same for U = (x - c)' H (x - c) / 2 with any symmetric H, also indefinite or singular.

    V_t = e^{-H t} V e^{-H t} + int_0^t 2 e^{-2 H s} ds
    """
    if not time >= 0:
        raise ArgumentError(f"time must be >= 0, got {time}")
    rates, vectors = np.linalg.eigh(_symmetric("a Hessian", hessian, start.dim))
    decay = np.exp(-rates * time)
    flat = np.abs(rates) * time < 1e-300
    grown = np.where(flat, 2 * time, -np.expm1(-2 * rates * time) / np.where(flat, 1.0, rates))
    return _linear_image(start, centre, vectors, decay, grown)


def ula_flow(start: Gaussian, target: Gaussian, step_size: float, steps: int) -> Gaussian:
    """Law after ``steps`` of ULA, x+ = x - h grad U(x) + sqrt(2 h) xi, on a quadratic U.

    m+ = m0 + (I - h P)(m - m0),   V+ = (I - h P) V (I - h P) + 2 h I
    """
    _check_step(step_size)
    if steps < 0:
        raise ArgumentError(f"steps must be >= 0, got {steps}")
    rates, vectors = np.linalg.eigh(target.precision)
    factor = 1 - step_size * rates
    gap = step_size * rates * (2 - step_size * rates)  # 1 - factor^2
    power = factor**steps
    with np.errstate(divide="ignore", invalid="ignore"):
        grown = np.where(gap == 0, steps * 1.0, (1 - power**2) / gap) * 2 * step_size
    return _linear_image(start, target.mean, vectors, power, grown)


def ula_stationary(target: Gaussian, step_size: float) -> Gaussian:
    """Stationary law of ULA on a quadratic U: N(m0, P^{-1} (I - h P / 2)^{-1}); needs h P < 2."""
    _check_step(step_size)
    rates, vectors = np.linalg.eigh(target.precision)
    if step_size * rates[-1] >= 2:
        raise ArgumentError(
            f"ULA has no stationary law unless h < 2 / L, got h = {step_size:g}, L = {rates[-1]:g}"
        )
    variances = 1 / (rates * (1 - step_size * rates / 2))
    return Gaussian(target.mean, (vectors * variances) @ vectors.T)


def _check_step(step_size: float) -> None:
    if not (np.isfinite(step_size) and step_size > 0):
        raise ArgumentError(f"a step size must be finite and > 0, got {step_size}")


def _linear_image(
    start: Gaussian, centre: npt.ArrayLike, vectors: FloatArray, factor: FloatArray, add: FloatArray
) -> Gaussian:
    """c + A (X - c) + noise, with A = Q diag(factor) Q' and noise covariance Q diag(add) Q'."""
    image = (vectors * factor) @ vectors.T
    origin = np.atleast_1d(np.asarray(centre, dtype=float))
    covariance = image @ start.covariance @ image + (vectors * add) @ vectors.T
    return Gaussian(origin + image @ (start.mean - origin), (covariance + covariance.T) / 2)


def mean_field_gap(precision: npt.ArrayLike) -> float:
    """min over product laws q of KL(q || N(m, P^{-1})) = (sum_i log P_ii - log det P) / 2.

    For fixed marginals the cross terms of the energy vanish at q = N(m, diag(1 / P_ii)), which is
    the coordinatewise optimum; KL is convex along each factor, so the value is the global minimum.
    """
    p = np.atleast_2d(np.asarray(precision, dtype=float))
    p = _symmetric("a precision", p, len(p))
    sign, log_det = np.linalg.slogdet(p)
    if sign <= 0 or np.linalg.eigvalsh(p)[0] <= 0:
        raise ArgumentError("a precision must be positive definite")
    return float(max(0.0, 0.5 * (np.log(np.diag(p)).sum() - log_det)))


def best_mean_field(target: Gaussian) -> Gaussian:
    """The product law closest to ``target`` in KL(q || target): N(m, diag(1 / P_ii))."""
    return Gaussian(target.mean, np.diag(1 / np.diag(target.precision)))
