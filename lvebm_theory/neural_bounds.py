"""Certified bounds of a network's gradient and Hessian, from the norms of its weights.

In the notation of ``neural_network``, with c1 >= sup |phi'|, c2 >= sup |phi''|, s_l >= |W_l| (the
spectral norm) and t >= |v|:

    |P_1| <= p_1 = s_1,  |P_l| <= p_l = c1 s_l p_{l-1}
    |u_L| <= t,  |u_{l-1}| <= c1 s_l |u_l|           (and entry by entry c1 |W_l|' |u_l|)
    |grad f| <= c1 s_1 |u_1|  =: G
    |Hess f| <= c2 sum_l max_i |u_l,i| p_l^2  =: H    at every point

G is Lipschitz-continuity of f, H that of its gradient. For E(w) = f(w) + <w - c, D (w - c)>/2 with
a diagonal D, least entry d > 0:

    smoothness      |Hess E| <= max D + H
    convexity       Hess E >= d - H
    dissipativity   <grad E, w> >= d|w|^2 - (G + |D c|)|w| >= (d/2)|w|^2 - (G + |D c|)^2 / (2 d)

[derived; the last step is 2xy <= x^2 + y^2]. Nothing is hoped for: spectral norms are bounded by
a proof in floating point (``spectral_norm_bound``), all else is sums and products of nonnegative
numbers, whose relative rounding error is at most their count times the unit roundoff.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .arrays import FloatArray
from .constant import Constant, How
from .facts import KnownFacts
from .neural_network import Network

_UNIT = float(np.finfo(float).eps) / 2


def _gamma(count: int) -> float:
    """Higham's gamma_n, rounded up: |fl(<a, b>) - <a, b>| <= gamma_n <|a|, |b|>, in any order."""
    return count * _UNIT / (1 - count * _UNIT) * (1 + 8 * _UNIT)


def spectral_norm_bound(matrix: FloatArray) -> float:
    """A number >= the largest singular value, and within about 1e-11 of it.

    With any V: |W V y| <= |W| |V y| has the converse |W| <= |W V| / sigma_min(V). V is LAPACK's
    matrix of right singular vectors, whatever its error: (W V)'(W V) is then nearly diagonal, so
    its row sums bound its norm sharply, sigma_min(V)^2 >= 1 - |V'V - I|, and Higham's bounds of
    dot products (Accuracy and Stability of Numerical Algorithms, 2002, section 3.1) turn what
    was computed into what is true.
    """
    wide = np.atleast_2d(np.asarray(matrix, dtype=float))
    w = wide if wide.shape[0] >= wide.shape[1] else wide.T
    rows, columns = w.shape
    v = np.linalg.svd(w, full_matrices=False)[2].T
    product = w @ v
    product_error = _gamma(columns) * float(np.linalg.norm(w) * np.linalg.norm(v))
    gram = np.abs(product.T @ product).sum(1).max()
    gram += _gamma(rows) * (np.abs(product).T @ np.abs(product)).sum(1).max()
    off = np.abs(v.T @ v - np.eye(columns)).sum(1).max()
    off += _gamma(columns) * (np.abs(v).T @ np.abs(v)).sum(1).max()
    bound = (math.sqrt(gram) + product_error) / math.sqrt(1 - off)
    # the sums above round too: a handful of them, over at most rows + columns terms
    return float(bound * (1 + 16 * (rows + columns) * _UNIT))


@dataclass(frozen=True, kw_only=True)
class NetworkBounds:
    """Upper bounds at every point: ``gradient`` of |grad f|, ``curvature`` of |Hess f|."""

    gradient: float
    curvature: float


def _combined(
    network: Network, norms: Sequence[float], readout: float, peaks: Sequence[float]
) -> NetworkBounds:
    c1, c2 = network.phi.greatest_slope, network.phi.greatest_curvature
    reach, reaches = norms[0], [norms[0]]
    for norm in norms[1:]:
        reach *= c1 * norm
        reaches.append(reach)
    sizes = [readout]
    for norm in norms[:0:-1]:
        sizes.insert(0, c1 * norm * sizes[0])
    count = sum(network.widths) + 16 * len(network.widths)
    up = 1 + 4 * count * float(np.finfo(float).eps)
    curvature = sum(min(q, u) * p * p for q, u, p in zip(peaks, sizes, reaches, strict=True))
    return NetworkBounds(
        gradient=c1 * norms[0] * sizes[0] * up, curvature=c2 * float(curvature) * up
    )


def bounds_at(network: Network, theta: FloatArray) -> NetworkBounds:
    """Bounds for these weights; both the norm and the entrywise bound of u_l are used."""
    layers = network.layers(theta)
    norms = [spectral_norm_bound(weight) for weight in layers.weights]
    peak = np.abs(layers.readout)
    peaks = [float(peak.max())]
    for weight in layers.weights[:0:-1]:
        peak = network.phi.greatest_slope * (np.abs(weight).T @ peak)
        peaks.insert(0, float(peak.max()))
    return _combined(network, norms, spectral_norm_bound(layers.readout), peaks)


def bounds_within(network: Network, caps: Sequence[float]) -> NetworkBounds:
    """Bounds for every theta whose |W_1|, ..., |W_L|, |v| stay within ``caps``."""
    *norms, readout = caps
    return _combined(network, norms, readout, [math.inf] * len(norms))


def projected(network: Network, theta: FloatArray, caps: Sequence[float]) -> FloatArray:
    """The nearest theta (Euclidean) with |W_l| <= caps[l], |v| <= caps[-1]; shape (size,).

    Singular values beyond a cap are cut to it: the projection on a ball of the spectral norm.
    The cut is 1e-9 below the cap and begins half as far, so that ``spectral_norm_bound`` of the
    result is within the cap and a second projection changes nothing.
    """
    result = np.array(theta, dtype=float)
    layers = network.layers(result)
    for matrix, cap in zip([*layers.weights, layers.readout[None]], caps, strict=True):
        # the Frobenius norm is larger and cheap: most layers are within by far or never
        if np.linalg.norm(matrix) <= cap * (1 - 5e-10):
            continue
        left, singular, right = np.linalg.svd(matrix, full_matrices=False)
        if singular[0] > cap * (1 - 5e-10):
            matrix[...] = (left * np.minimum(singular, cap * (1 - 1e-9))) @ right
    return result


def facts_from(
    bounds: NetworkBounds, confinement: FloatArray, centre: FloatArray, scope: str
) -> KnownFacts:
    """Smoothness, convexity and dissipativity of f + <w - c, D (w - c)>/2 under these bounds."""
    least, greatest = float(confinement.min()), float(confinement.max())
    pull = bounds.gradient + float(np.linalg.norm(confinement * centre))
    up = 1 + 64 * len(centre) * _UNIT
    source = f"spectral norms of the weights, {scope} (neural_bounds)"
    rate = least / 2

    def between(lower: float, value: float, upper: float) -> Constant:
        return Constant(value=value, lower=lower, upper=upper, how=How.CERTIFIED, source=source)

    # f is Lipschitz: along a line its second derivative cannot keep one sign away from zero, so
    # D alone bounds smoothness from below and convexity from above
    smooth, convex = (greatest + bounds.curvature) * up, least - bounds.curvature * up
    return KnownFacts(
        smoothness=between(greatest, smooth, smooth),
        convexity=between(convex, convex, least),
        dissipativity=between(rate, rate, rate),
        dissipativity_offset=pull * pull / (2 * least) * up,
    )
