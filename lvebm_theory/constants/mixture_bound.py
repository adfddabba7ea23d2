r"""Holley-Stroock for Gaussian mixtures of one covariance, in any dimension.

Let U(x) = x'P x/2 - L(x) up to affine terms, L = n log sum_k exp(<a_k, x> + b_k); a mixture of
N(m_k, P^-1) has n = 1 and a_k = P m_k. In z = P^(1/2) x the slopes n a_k become c_k, and grad L
stays in their hull. For m in (0, 1) and q = 1 - m let V = q |z|^2/2 - L, and W its convex envelope:
at z it is sum l_i V(z_i) for a mean z = sum l_i z_i of points with one slope q z_i - g_i, where
g_i = grad L(z_i). With g = sum l_i g_i, so z_i - z = (g_i - g)/q, and as L is convex,

    (V - W)(z) <= sum l_i (<g_i, z_i - z> - q |z_i - z|^2/2)
               = sum l_i |g_i - g|^2/(2 q) <= R^2/(2 q)

for a ball of radius R around all c_k. The comparison energy W + m |z|^2/2 gives

    rho >= lambda_min(P) m exp(-R^2/(2 (1 - m))),           best where 2 (1 - m)^2 = R^2 m,

whatever the weights and the number of components (Holley and Stroock 1987; Chen, Chewi and
Niles-Weed 2021, "Dimension-free log-Sobolev inequalities for mixture distributions", have
exp(-4 R^2) by another way).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..constant import How
from .parts import written

if TYPE_CHECKING:
    from ..certified.subject import Potential
    from .energy_constants import EnergyConstants
    from .log_sobolev import Candidate

_STEPS = 2000


def mixture_bound(constants: EnergyConstants) -> Candidate | None:
    """The bound, CERTIFIED; None for other energies."""
    from ..certified.hessian import smallest_eigenvalue
    from ..certified.normalisable import positive_definite
    from .log_sobolev import Candidate

    potential = written(constants.energy) if constants.certify else None
    found = None if potential is None else _components(potential)
    if found is None:
        return None
    precision, slopes = found
    if not positive_definite(precision):
        return None
    radius = _radius_above(precision, slopes)
    m = best_curvature(radius)
    lower = smallest_eigenvalue(precision).lower * m * math.exp(-oscillation(m, radius))
    return Candidate(
        name="mixture",
        lower=lower * (1 - 1e-12),
        how=How.CERTIFIED,
        source=(
            f"Holley-Stroock for {len(slopes)} Gaussians of one covariance, their means within "
            f"{radius:.6g} standard deviations"
        ),
    )


def best_curvature(radius: float) -> float:
    """m of the largest m exp(-R^2/(2 (1 - m)))."""
    b = 4 + radius**2
    return 4 / (b + math.sqrt(b**2 - 16))


def oscillation(m: float, radius: float) -> float:
    """R^2/(2 (1 - m))."""
    # m rounds to 1 only where R is 0 to rounding, and so is the quotient
    return radius**2 / (2 * (1 - m)) if m < 1 else 0.0


def _components(potential: Potential) -> tuple[Any, list[Any]] | None:
    """(P, [n a_k]) of the module, else None."""
    import sympy

    from ..formula.nodes import LogSumExp

    terms = sympy.Add.make_args(potential.expression)
    sums = [t for t in terms if t.has(LogSumExp)]
    if len(sums) != 1:
        return None
    number, node = sums[0].as_coeff_Mul()
    if not isinstance(node, LogSumExp) or not number < 0:
        return None
    rest = sympy.Add(*(t for t in terms if t is not sums[0]))
    parts = [-number * f - rest for f in node.args]
    if not all(p.is_polynomial(*potential.symbols) for p in parts):
        return None
    polynomials = [sympy.Poly(p, *potential.symbols) for p in parts]
    if any(p.total_degree() > 2 for p in polynomials):
        return None
    forms = {-sympy.hessian(p.as_expr(), potential.symbols).as_immutable() for p in polynomials}
    if len(forms) != 1:
        return None
    origin = dict.fromkeys(potential.symbols, 0)
    slopes = [
        sympy.Matrix([p.diff(s).eval(origin) for s in potential.symbols]) for p in polynomials
    ]
    return forms.pop(), slopes


def _radius_above(precision: Any, slopes: list[Any]) -> float:
    """Of a ball around the c_k = P^(-1/2) a_k, from above: its centre is searched for in floats."""
    import sympy

    inverse = precision.inv()
    a = np.array([[float(v) for v in s] for s in slopes])
    metric = np.array(inverse.tolist(), dtype=float)
    centre = a.mean(axis=0)
    for step in range(1, _STEPS):  # Badoiu and Clarkson 2003
        d = a - centre
        centre = centre + d[np.argmax(np.einsum("ki,ij,kj->k", d, metric, d))] / (step + 1)
    # the numbers of the formula are exact, and any centre will do
    exact = sympy.Matrix([sympy.Rational(*float(c).as_integer_ratio()) for c in centre])
    squares = [((s - exact).T * inverse * (s - exact))[0, 0] for s in slopes]
    return max(math.sqrt(float(sympy.N(v, 40))) for v in squares) * (1 + 1e-14)
