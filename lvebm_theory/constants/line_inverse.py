r"""Modes on a line by integration: eigenvalues right to rounding however small they are.

Where a barrier makes lambda_1 = 1e-21 the eigenfunction is constant in each well to more digits
than a double has, and the slopes of its nodal values are rounding. They come out instead from the
equation: with int f d pi = 0,

    -L u = f   is   pi(x) u'(x) = int_x^oo f d pi = -int_{-oo}^x f d pi,

sums of terms of one size if each half of pi is summed from its own end.
"""

from __future__ import annotations

import numpy as np
from numpy.polynomial import legendre

from ..arrays import FloatArray
from .line_elements import LineElements
from .lobatto import lobatto
from .modes import natural_shift

# below this share of 1/Var the slopes of nodal values lose digits of the eigenvalue
_TINY = 1e-6
# entries of sqrt(pi) f below this fraction of the largest are an eigensolver's rounding
_SURE = 1e-8


def integrated_modes(
    elements: LineElements, eigenvalues: FloatArray, functions: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Modes (k,), (n, k) in which those of tiny eigenvalues are replaced by (-L)^{-1} of them.

    The first come increasing; an error in f is multiplied by lambda_1/lambda_2 and enters squared.
    Tails, where an eigensolver leaves rounding over sqrt(pi), get the values that bound the rest:
    a mode as slow as this is flat there.
    """
    tiny = int(np.count_nonzero(eigenvalues < _TINY * natural_shift(elements)))
    if tiny == 0:
        return eigenvalues, functions
    root = np.sqrt(elements.masses)[:, None]
    f = functions[:, :tiny]
    sure = np.abs(root * f) > _SURE * np.abs(root * f).max(axis=0)
    lower, upper = np.where(sure, f, np.inf).min(axis=0), np.where(sure, f, -np.inf).max(axis=0)
    # a mode of a well of mass 1e-30 is below rounding in all of the bulk, and its mean is 0
    rest = (elements.masses[:, None] * ~sure).sum(axis=0)
    level = -(elements.masses @ np.where(sure, f, 0.0)) / np.maximum(rest, 1e-300)
    f = np.where(~sure & (rest > 0.5), level, np.clip(f, lower, upper))
    values, slopes = _solve(elements, f * eigenvalues[:tiny])
    orthogonal, triangle = np.linalg.qr(root * values)
    slopes = np.linalg.solve(triangle.T, slopes.T).T
    _, singular, right = np.linalg.svd(slopes, full_matrices=False)
    order = np.argsort(singular)
    found = orthogonal / root @ right[order].T
    found = found * np.where((root**2 * found * f).sum(axis=0) < 0, -1.0, 1.0)
    return (
        np.concatenate([singular[order] ** 2, eigenvalues[tiny:]]),
        np.concatenate([found, functions[:, tiny:]], axis=1),
    )


def _solve(elements: LineElements, f: FloatArray) -> tuple[FloatArray, FloatArray]:
    """u with -L u = f at the nodes, centred, and sqrt(weights) u' at the nodes of panels."""
    rule, index = lobatto(elements.degree), elements.index
    density, half, _ = elements.nodal_density()
    f = f - elements.masses @ f
    integrate = _integration(elements.degree)
    inner = f[index] * (density * half[:, None])[:, :, None]
    part = np.matmul(integrate, inner)  # from the left end of a panel
    total = part[:, -1]
    before = np.concatenate([np.zeros((1, f.shape[1])), np.cumsum(total, axis=0)[:-1]])
    after = np.concatenate([np.cumsum(total[::-1], axis=0)[::-1][1:], np.zeros((1, f.shape[1]))])
    left, right = before[:, None] + part, after[:, None] + (total[:, None] - part)
    mass = np.cumsum((density * half[:, None]) @ rule.weights)
    slope = np.where((mass < 0.5)[:, None, None], -left, right) / density[:, :, None]
    rise = np.matmul(integrate, slope * half[:, None, None])
    level = np.concatenate([np.zeros((1, f.shape[1])), np.cumsum(rise[:, -1], axis=0)[:-1]])
    u = np.empty_like(f)
    u[index] = level[:, None] + rise
    weights = np.sqrt(density * half[:, None] * rule.weights)
    weighted = (weights[:, :, None] * slope).reshape(-1, f.shape[1])
    return u - elements.masses @ u, weighted


def _integration(degree: int) -> FloatArray:
    """Nodal values on [-1, 1] to integrals of their polynomial from -1 to the nodes."""
    rule = lobatto(degree)
    primitive = legendre.legint(rule.coefficients, lbnd=-1, axis=0)
    return np.asarray(legendre.legval(rule.nodes, primitive).T)
