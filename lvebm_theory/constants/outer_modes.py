r"""Eigenfunctions of the line beyond the mesh on which they were computed.

With w = phi'/phi the equation phi'' = U' phi' - lambda phi reads

    w' = U' w - w^2 - lambda,

and far out w approaches 2 lambda/(U' + sqrt(U'^2 - 4 lambda)) from any start. Solved inward it
is stable; the growing solution e^U, which no eigenfunction in L^2(pi) has, dies out.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.integrate import solve_ivp

from ..arrays import FloatArray
from ..errors import SolverError

_MEMORY = 40.0  # how many powers of e an error of the first value falls before it is used


def log_growth(
    slope: Callable[[FloatArray], FloatArray], eigenvalue: float, edge: float, x: FloatArray
) -> FloatArray:
    """log(phi(x)/phi(edge)) for points x (n,) on one side of ``edge``, the side away from pi.

    Parameters
    ----------
    slope : callable
        U' for points (n,).
    eigenvalue : float
    edge : float
        An end of the mesh, where phi has no node further out.

    Raises
    ------
    SolverError
        If the integration fails.
    """
    side = 1.0 if float(x.sum()) >= edge * len(x) else -1.0
    reach = float(np.abs(x - edge).max())

    def outward(s: float) -> float:
        """Slope of U away from pi at distance s beyond the edge."""
        return side * float(slope(np.array([edge + side * s]))[0])

    far = reach + _MEMORY / max(abs(outward(reach)), 1e-300)
    far = min(far, 2 * reach + 1e-3 * abs(edge))
    pull = outward(far)
    root = np.sqrt(max(pull**2 - 4 * eigenvalue, 0.0))

    def rate(s: float, state: FloatArray) -> list[float]:
        w = float(state[0])
        return [outward(s) * w - w * w - eigenvalue, w]

    first = 2 * eigenvalue / max(abs(pull) + root, 1e-300)
    solved = solve_ivp(
        rate, (far, 0.0), [first, 0.0], method="Radau", rtol=1e-9, atol=1e-11, dense_output=True
    )
    if not solved.success:
        raise SolverError(f"no continuation of an eigenfunction beyond {edge:g}: {solved.message}")
    integral = solved.sol(np.abs(x - edge))[1] - solved.y[1, -1]
    return np.asarray(integral)
