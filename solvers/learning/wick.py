"""Second moments of quadratic averages over particles that receive Gaussian noise.

A step w <- y + e with e ~ N(0, V) independent of y moves averages of (w, w w') by an affine map
plus a noise of mean zero, whose covariance per particle follows from Wick's theorem:

    Cov(e_a, e_b) = V_ab,              Cov(e_a, (ww')_bc) = y_b V_ac + y_c V_ab,
    Cov((ww')_ab, (ww')_cd) = y_a y_c V_bd + y_a y_d V_bc + y_b y_c V_ad + y_b y_d V_ac
                              + V_ac V_bd + V_ad V_bc.

The last two terms vanish in continuous time.
"""

from __future__ import annotations

import math

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.initial import InitialLaw

from .gaussian_family import Array
from .gaussian_values import DataMoments


def affine(matrix: Array, shift: Array, first: Array, second: Array) -> tuple[Array, Array]:
    """First and second moments of matrix w + shift."""
    image = matrix @ first
    mixed = np.outer(image, shift)
    return image + shift, matrix @ second @ matrix.T + mixed + mixed.T + np.outer(shift, shift)


def wick(
    covariance: FloatArray,
    first: FloatArray,
    second: FloatArray,
    *,
    clamped: tuple[DataMoments, FloatArray] | None = None,
    quartic: bool = True,
) -> FloatArray:
    """Covariance of (w, x w', w w') for w = y + e, e ~ N(0, V), averaged over y and x.

    Parameters
    ----------
    covariance : V (d, d)
    first, second : E y (d,), E y y' (d, d)
    clamped : data moments and E x y'; without them there is no block x w'
    quartic : whether to keep the terms V V
    """
    d = len(first)
    if clamped is None:
        data = DataMoments(count=1, first=np.zeros(0), second=np.zeros((0, 0)))
        cross = np.zeros((0, d))
    else:
        data, cross = clamped
    k = len(data.first)
    v = covariance
    w_ww = np.einsum("b,ac->abc", first, v) + np.einsum("c,ab->abc", first, v)
    x_ww = np.einsum("ac,bd->abcd", cross, v) + np.einsum("ad,bc->abcd", cross, v)
    four = np.einsum("ac,bd->abcd", second, v)
    four = four + four.transpose(0, 1, 3, 2)
    four = four + four.transpose(1, 0, 2, 3)
    if quartic:
        pair = np.einsum("ac,bd->abcd", v, v)
        four = four + pair + pair.transpose(0, 1, 3, 2)
    begin, end = d, d + k * d
    out = np.zeros((end + d * d, end + d * d))
    out[:begin, :begin] = v
    out[begin:end, begin:end] = np.einsum("ac,bd->abcd", data.second, v).reshape(k * d, k * d)
    out[end:, end:] = four.reshape(d * d, d * d)
    out[:begin, begin:end] = np.einsum("b,ac->abc", data.first, v).reshape(d, k * d)
    out[:begin, end:] = w_ww.reshape(d, d * d)
    out[begin:end, end:] = x_ww.reshape(k * d, d * d)
    upper = np.triu(np.ones((3, 3)), 1).astype(bool)
    blocks = (slice(0, begin), slice(begin, end), slice(end, None))
    for i, j in zip(*np.nonzero(upper), strict=True):
        out[blocks[j], blocks[i]] = out[blocks[i], blocks[j]].T
    return out


def law_covariance(law: InitialLaw, data: DataMoments, *, first_only: bool) -> FloatArray:
    """Covariance of (z, x z', z z') for one draw z of an initial law, averaged over the data."""
    if first_only:
        return law.covariance
    d, k = law.dim, len(data.first)
    size = d + k * d + d * d
    total = np.zeros((size, size))
    average = np.zeros(d + d * d)
    outer = np.zeros((d + d * d, d + d * d))
    for weight, mean, sd in zip(law.weights, law.means, law.sds, strict=True):
        v = np.diag(sd**2)
        cross = np.outer(data.first, mean)
        total += weight * wick(v, mean, np.outer(mean, mean), clamped=(data, cross))
        expected = np.concatenate([mean, (v + np.outer(mean, mean)).ravel()])
        average += weight * expected
        outer += weight * np.outer(expected, expected)
    between = outer - np.outer(average, average)
    if math.isclose(float(np.abs(between).max()), 0.0, abs_tol=1e-300):
        return total
    first, mixed = between[:d, :d], between[:d, d:]
    blocks = (slice(0, d), slice(d, d + k * d), slice(d + k * d, None))
    total[blocks[0], blocks[0]] += first
    total[blocks[2], blocks[2]] += between[d:, d:]
    total[blocks[1], blocks[1]] += np.einsum("ac,bd->abcd", data.second, first).reshape(
        k * d, k * d
    )
    x_first = np.einsum("b,ac->abc", data.first, first).reshape(d, k * d)
    x_mixed = np.einsum("a,bc->abc", data.first, mixed).reshape(k * d, d * d)
    for (i, j), block in (((0, 1), x_first), ((0, 2), mixed), ((1, 2), x_mixed)):
        total[blocks[i], blocks[j]] += block
        total[blocks[j], blocks[i]] += block.T
    return total
