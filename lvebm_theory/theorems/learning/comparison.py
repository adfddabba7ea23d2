r"""Linear comparison of two non-negative quantities that feed each other.

u = (D, w), D = sqrt(L* - L(theta)), w a bound of the error of the direction g, obey

    u' <= A u + b    (flows; off-diagonal entries of A >= 0)   =>   u(t) <= solution from u(0),
    u_{k+1} <= N u_k + b   (steps; N >= 0)                     =>   u_k <= N^k u_0 + sum_j N^j b.

Derivation. e^{At} >= 0 entrywise when the off-diagonal entries of A are >= 0 (shift A by a multiple
of I), so Duhamel's formula keeps inequalities; for steps, N >= 0 does.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.linalg import expm

from ...arrays import FloatArray


def leading(matrix: FloatArray) -> tuple[float, float]:
    """The larger eigenvalue l of a (2, 2) matrix, and alpha: (1, alpha) A = l (1, alpha).

    l = ( A11 + A22 + sqrt((A11 - A22)^2 + 4 A12 A21) )/2,   alpha = A12/(l - A22).
    V = D + alpha w then obeys V' <= l V (or V_{k+1} <= l V_k).

    Parameters
    ----------
    matrix : array (2, 2), off-diagonal entries >= 0
    """
    (a, b), (c, d) = matrix
    value = (a + d + math.hypot(a - d, 2.0 * math.sqrt(b * c))) / 2.0
    # l - d written without cancellation where d is the larger diagonal entry
    if value - d > 1e-8 * (abs(a) + abs(d)):
        return float(value), float(b / (value - d))
    return float(value), float((value - a) / c) if c > 0 else math.inf


def after_time(matrix: FloatArray, start: FloatArray, drive: FloatArray, time: float) -> FloatArray:
    """u(time) of u' = A u + b, shape (n,).

    Parameters
    ----------
    matrix : array (n, n)
    start, drive : arrays (n,)
        u(0) and b.
    """
    n = len(matrix)
    whole = np.zeros((n + 1, n + 1))
    whole[:n, :n], whole[:n, n] = matrix, drive
    moved = expm(time * whole)
    return np.asarray(moved[:n, :n] @ start + moved[:n, n])


def after_steps(matrix: FloatArray, start: FloatArray, drive: FloatArray, steps: int) -> FloatArray:
    """u_steps of u_{k+1} = N u_k + b, shape (n,)."""
    n = len(matrix)
    whole = np.eye(n + 1)
    whole[:n, :n], whole[:n, n] = matrix, drive
    moved = np.linalg.matrix_power(whole, steps)
    return np.asarray(moved[:n, :n] @ start + moved[:n, n])
