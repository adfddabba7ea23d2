"""Dissipativity <grad U(x), x - z> >= a |x - z|^2 - c on all of R^d, a chosen to serve its use.

The centre z is the origin unless the caller says otherwise; ``centre`` gives the energy's own,
with which (a, c) do not change when U is shifted. For a given a the best offset is
c(a) = sup_x (a |x - z|^2 - <grad U(x), x - z>) >= 0 (take x = z). What the pair is for is the bound
E|X - z|^2 <= (c + d)/a of the stationary second moment, so a is taken to minimise it: floats choose
a, ball arithmetic then proves c for exactly that a.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import sympy
from scipy.optimize import minimize_scalar

from ..constant import Constant, How
from ..errors import AssumptionError
from ..formula.nodes import LogSumExp
from ..protocols import Energy
from .hessian import smallest_eigenvalue
from .infimum import Field
from .normalisable import positive_definite
from .rotation import separating_rotation
from .standard import placed, standard
from .subject import Potential, as_written, exact_number, potential_of, precisely
from .transform import separated

SOURCE = (
    "least stationary moment bound (c + d)/a over a; c by branch and bound in ball arithmetic, "
    "growth arithmetic outside"
)
TOLERANCE = 1e-7
_MANY = 3  # terms of a log-sum of quadratics from which the search over the plane does not end


@precisely
def dissipativity(
    energy: Energy | Potential, centre: Sequence[float] | None = None
) -> tuple[Constant, float]:
    """(a, c) with <grad U(x), x - z> >= a |x - z|^2 - c for all x, proved; a minimises (c + d)/a.

    For a quadratic centred at z, a is the smallest eigenvalue and c = 0.

    Parameters
    ----------
    energy : Energy
        Given by a formula: quadratic, a sum over groups of at most two coordinates, or d <= 2.
    centre : sequence of d floats, optional
        z; the origin when left out.

    Raises
    ------
    AssumptionError
        When U is not dissipative as far as can be seen (tails lighter than quadratic, a valley
        that bends), or no offset was proved.
    """
    potential = potential_of(energy)
    z = (0.0,) * potential.dim if centre is None else tuple(centre)
    # with x = z + s y the pair of y is (s^2 a, c); s is a power of two
    scale = standard(potential).scale
    components = _components(placed(as_written(energy), z, scale))
    if components:
        rate, offset = _of_mixture(components)
    else:
        rate, offset = _pair(placed(potential, z, scale))
    return rate.over(scale**2), offset


@precisely
def centre(energy: Energy | Potential) -> tuple[float, ...]:
    """The centre about which dissipativity does not change when U is shifted.

    The origin for energies within a few of their own lengths of it; see ``standard``.
    """
    return standard(potential_of(energy)).centre


@functools.lru_cache(maxsize=256)
def _pair(potential: Potential) -> tuple[Constant, float]:
    if potential.quadratic_form is not None:
        return _of_quadratic(potential)
    parts = separated(separating_rotation(potential, keep_origin=True) or potential)
    if any(part.dim > 2 for part in parts):
        raise AssumptionError(
            "dissipativity", ["U couples more than two coordinates; nothing was proved"]
        )
    radial = [
        (
            part,
            sympy.Add(*(s * g for s, g in zip(part.symbols, part.gradient, strict=True))),
            sympy.Add(*(s**2 for s in part.symbols)),
        )
        for part in parts
    ]
    samples = [_sampled(part, product) for part, product, _ in radial]
    for rate in _candidates(samples, potential.dim):
        exact = sympy.Rational(repr(rate))
        offsets = [
            -Field(part.symbols, sympy.expand(product - exact * square)).infimum(TOLERANCE).lower
            for part, product, square in radial
        ]
        if all(math.isfinite(c) for c in offsets):
            a = Constant(value=rate, lower=rate, upper=rate, how=How.CERTIFIED, source=SOURCE)
            return a, math.nextafter(max(0.0, math.fsum(offsets)), math.inf) if any(
                c > 0 for c in offsets
            ) else 0.0
    raise AssumptionError(
        "dissipativity", ["<grad U(x), x> >= a |x|^2 - c could not be proved for any a tried"]
    )


def _components(potential: Potential) -> list[Potential]:
    """The quadratics q + n f_k of U = q + n log sum_k exp(f_k) with three terms or more, else none.

    grad U is an average of their gradients, whatever the sign of n.
    """
    terms = sympy.Add.make_args(potential.expression)
    sums = [t for t in terms if t.has(LogSumExp)]
    if len(sums) != 1:
        return []
    number, node = sums[0].as_coeff_Mul()
    if not (isinstance(node, LogSumExp) and len(node.args) >= _MANY and number.is_number):
        return []
    rest = sympy.Add(*(t for t in terms if t is not sums[0]))
    found = [Potential(rest + number * f, potential.symbols) for f in node.args]
    return found if all(_convex_quadratic(part) for part in found) else []


def _convex_quadratic(part: Potential) -> bool:
    form = part.quadratic_form
    return form is not None and positive_definite(form)


def _of_mixture(components: Sequence[Potential]) -> tuple[Constant, float]:
    """The least of <grad U_k(x), x> over the components, each bounded as a quadratic is."""
    forms = [part.quadratic_form for part in components]
    slopes = [_slope(part) for part in components]
    pairs = [
        (np.array(h.tolist(), dtype=float), np.array(b.tolist(), dtype=float).ravel())
        for h, b in zip(forms, slopes, strict=True)
    ]
    dim = components[0].dim
    least = min(float(np.linalg.eigvalsh(h)[0]) for h, _ in pairs)

    def moment_bound(t: float) -> float:
        shift = t * least * np.eye(dim)
        offset = max(float(b @ np.linalg.solve(h - shift, b)) for h, b in pairs) / 4
        return (offset + dim) / (t * least)

    rate = _rounded_rate(least, moment_bound)
    identity = exact_number(rate) * sympy.eye(dim)
    if not all(positive_definite(h - identity) for h in forms):
        raise AssumptionError("dissipativity", ["the rounded rate is below every curvature"])
    offset = max(
        float((b.T * (h - identity).LUsolve(b))[0, 0]) / 4
        for h, b in zip(forms, slopes, strict=True)
    )
    source = (
        "U is a log-sum of quadratics: c = max over them of b'(H - a I)^-1 b / 4 exactly; "
        "a minimises (c + d)/a"
    )
    a = Constant(value=rate, lower=rate, upper=rate, how=How.CERTIFIED, source=source)
    # an exact rational was rounded, twice
    return a, offset * (1 + 1e-15)


def _rounded_rate(least: float, moment_bound: Callable[[float], float]) -> float:
    """The share of ``least`` that minimises a moment bound, times it, to four digits and below."""
    found = minimize_scalar(moment_bound, bounds=(1e-3, 1 - 1e-6), method="bounded")
    rate = float(f"{found.x * least:.4g}")
    return rate if rate < least else float(f"{0.9 * rate:.4g}")


def _slope(part: Potential) -> Any:
    """b of grad U = H x + b."""
    origin = dict.fromkeys(part.symbols, 0)
    return sympy.Matrix([sympy.sympify(g).subs(origin) for g in part.gradient])


def _sampled(part: Potential, product: Any) -> tuple[Any, Any]:
    """Floats: |x|^2 and <grad U(x), x> near and far."""
    radii = np.concatenate([np.linspace(0.0, 8.0, 161), np.geomspace(8.2, 1e6, 120)])
    if part.dim == 1:
        points = [np.concatenate([-radii, radii])]
    else:
        angles = np.linspace(0, 2 * np.pi, 180, endpoint=False)
        points = [np.outer(radii, f(angles)).ravel() for f in (np.cos, np.sin)]
    values = np.array(part.on_floats(product)(points)[0], dtype=float)
    squares = np.sum([x**2 for x in points], axis=0)
    keep = ~np.isnan(values)
    return squares[keep], values[keep]


def _candidates(samples: list[tuple[Any, Any]], dim: int) -> list[float]:
    """Rates to try, the best first."""
    limit = min(_least_ratio(q, g, 1e10, math.inf) for q, g in samples)
    middle = min(_least_ratio(q, g, 1e5, 1e7) for q, g in samples)
    if not limit > max(0.0, 0.05 * middle):
        raise AssumptionError(
            "dissipativity",
            ["<grad U(x), x>/|x|^2 does not stay positive at infinity, as far as samples tell"],
        )

    def moment_bound(log_rate: float) -> float:
        a = math.exp(log_rate)
        with np.errstate(all="ignore"):
            offset = sum(max(0.0, float(np.nanmax(a * q - g))) for q, g in samples)
        return (offset + dim) / a

    top = math.log(min(limit, 1e5))
    grid = np.linspace(top - 16.0, top, 240)
    values = [moment_bound(t) for t in grid]
    i = int(np.argmin(values))
    low, high = grid[max(i - 1, 0)], grid[min(i + 1, len(grid) - 1)]
    found = minimize_scalar(moment_bound, bounds=(low, high), method="bounded")
    best = math.exp(float(found.x) if found.fun <= values[i] else float(grid[i]))
    rounded = [float(f"{best:.4g}")]
    if best > 0.98 * limit:
        # the bound is best at the limit itself, which is then likely a round number
        rounded = [float(f"{limit:.6g}"), float(f"{0.97 * limit:.4g}")]
    return [*rounded, *(float(f"{t * best:.4g}") for t in (0.9, 0.6, 0.3, 0.1, 0.02))]


def _least_ratio(q: Any, g: Any, low: float, high: float) -> float:
    inside = (q > low) & (q < high)
    return float(np.min(g[inside] / q[inside]))


def _of_quadratic(potential: Potential) -> tuple[Constant, float]:
    """<Hx + b, x> - a|x|^2 >= -b'(H - a I)^-1 b / 4 for a below the smallest eigenvalue."""
    form = potential.quadratic_form
    if not positive_definite(form):
        raise AssumptionError("dissipativity", ["U is quadratic and not positive definite"])
    slope = _slope(potential)
    bracket = smallest_eigenvalue(form)
    exact = bracket.lower == bracket.upper
    if slope.is_zero_matrix:
        how = How.EXACT if exact else How.CERTIFIED
        source = "U is a centred quadratic: the smallest eigenvalue, c = 0"
        a = Constant(
            value=bracket.lower, lower=bracket.lower, upper=bracket.lower, how=how, source=source
        )
        return a, 0.0
    eigenvalues, vectors = np.linalg.eigh(np.array(form.tolist(), dtype=float))
    weights = (vectors.T @ np.array(slope.tolist(), dtype=float).ravel()) ** 2

    def moment_bound(t: float) -> float:
        rate = t * eigenvalues[0]
        return float((np.sum(weights / (eigenvalues - rate)) / 4 + potential.dim) / rate)

    rate = _rounded_rate(float(eigenvalues[0]), moment_bound)
    shifted = form - exact_number(rate) * sympy.eye(form.rows)
    if not positive_definite(shifted):
        raise AssumptionError("dissipativity", ["the rounded rate is below the curvature"])
    offset = (slope.T * shifted.LUsolve(slope))[0, 0] / 4
    a = Constant(
        value=rate,
        lower=rate,
        upper=rate,
        how=How.CERTIFIED,
        source="U is quadratic: c = b'(H - a I)^-1 b / 4 exactly; a minimises (c + d)/a",
    )
    return a, math.nextafter(float(offset), math.inf)
