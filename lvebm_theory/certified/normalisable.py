"""Is exp(-U) integrable? A proof, or a sentence on what was tried."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import sympy
from flint import arb

from ..errors import AssumptionError
from ..protocols import Energy
from .finite import unbounded_near
from .growth import LOG, Growth
from .interval import UNIT
from .subject import Potential, potential_of, precisely
from .tail import RADII, Directions, Tail, faces, radial_tail
from .transform import marginals, separated, sheared
from .unconfined import unconfined


@dataclass(frozen=True, kw_only=True)
class Normalisability:
    """Whether Z = int exp(-U) was proved finite.

    Parameters
    ----------
    proved : bool
    how : str
        The argument used; "refuted" when Z was proved infinite, "" when nothing was proved.
    reason : str
        A sentence for the reader: the bound found, or what was tried.
    """

    proved: bool
    how: str
    reason: str


def _no(reason: str, how: str = "") -> Normalisability:
    return Normalisability(proved=False, how=how, reason=reason)


def _yes(how: str, reason: str) -> Normalisability:
    return Normalisability(proved=True, how=how, reason=reason)


def positive_definite(matrix: Any) -> bool:
    """Whether a symmetric matrix of exact numbers is positive definite (exact elimination)."""
    rows = [list(matrix.row(i)) for i in range(matrix.rows)]
    for k in range(len(rows)):
        pivot = rows[k][k]
        if not pivot.is_positive:
            return False
        for i in range(k + 1, len(rows)):
            factor = rows[i][k] / pivot
            if factor != 0:
                rows[i] = [u - factor * v for u, v in zip(rows[i], rows[k], strict=True)]
    return True


@precisely
def certify_normalisable(energy: Energy | Potential) -> Normalisability:
    """Prove int exp(-U) < infinity, or say what was tried.

    U has to be real and locally bounded, and one of these must succeed: U is a positive definite
    quadratic; U splits into sums over coordinates, each normalisable; U grows fast enough along
    all rays (``tail``); the same after a shear; or one coordinate in which U is quadratic is
    integrated out and the marginal potential is normalisable (``transform``).

    Parameters
    ----------
    energy : Energy
        Given by a formula.

    Returns
    -------
    Normalisability
    """
    try:
        potential = potential_of(energy)
    except AssumptionError as error:
        return _no("; ".join(error.broken))
    return _decide(potential)


@functools.lru_cache(maxsize=512)
def _decide(potential: Potential) -> Normalisability:
    missing = [s for s in potential.symbols if not potential.expression.has(s)]
    if missing:
        names = ", ".join(map(str, missing))
        return _no(f"U does not depend on {names}, so exp(-U) is not integrable", "refuted")
    form = potential.quadratic_form
    if form is not None:
        if positive_definite(form):
            return _yes("quadratic", "U is quadratic with a positive definite Hessian")
        return _no("U is quadratic and its Hessian is not positive definite", "refuted")
    parts = separated(potential)
    if len(parts) > 1:
        return _combined(parts)
    return _by_rays(potential)


def _combined(parts: list[Potential]) -> Normalisability:
    verdicts = [_decide(part) for part in parts]
    failures = [v for v in verdicts if not v.proved]
    if failures:
        refuted = any(v.how == "refuted" for v in failures)
        return _no("; ".join(v.reason for v in failures), "refuted" if refuted else "")
    return _yes(
        "sum over coordinates",
        "U is a sum over separate coordinates: " + "; ".join(v.reason for v in verdicts),
    )


def _by_rays(potential: Potential) -> Normalisability:
    tail = radial_tail(potential)
    if isinstance(tail, Tail):
        return _with_finite_core(
            potential, tail.radius, "tail bound", f"{tail.statement} is proved"
        )
    if refutation := unconfined(potential) or _refuted(potential):
        return _no(refutation, "refuted")
    tried = [tail]
    for moved, symbol, shift in sheared(potential):
        how = f"after the shear {symbol} -> {symbol} + ({shift})"
        bent = radial_tail(moved)
        if isinstance(bent, Tail):
            return _with_finite_core(
                moved, bent.radius, "tail bound", f"{bent.statement} is proved {how}"
            )
        tried.append(f"{how}: {bent}")
    for curvature, marginal, how in marginals(potential):
        verdict = _by_marginal(curvature, marginal, how)
        if verdict.proved:
            return verdict
        tried.append(verdict.reason)
    return _no("; ".join(tried))


def _by_marginal(curvature: Any, marginal: Potential, how: str) -> Normalisability:
    if not positive_everywhere(Potential(sympy.sympify(curvature), marginal.symbols)):
        return _no(f"{how}: its curvature {curvature} could not be proved positive")
    inner = _decide(marginal)
    return Normalisability(proved=inner.proved, how=inner.how, reason=f"{how}: {inner.reason}")


def _with_finite_core(
    potential: Potential, radius: float, how: str, reason: str
) -> Normalisability:
    point = unbounded_near(potential, ((-radius, radius),) * potential.dim)
    if point is None:
        return _yes(how, reason)
    where = ", ".join(f"{s} = {c:.6g}" for s, c in zip(potential.symbols, point, strict=True))
    return _no(f"U could not be proved real and finite near {where}")


def _refuted(potential: Potential) -> str:
    """A sentence when U <= d log r + const was proved on a cone of directions."""
    # far out the leading term outgrows large coefficients of the others
    return _refuted_beyond(potential, RADII[2]) or _refuted_beyond(potential, RADII[5])


def _refuted_beyond(potential: Potential, distance: int) -> str:
    radius = arb(distance)
    evaluate = potential.on_rays(radius)
    d = potential.dim
    cones = list(faces(d)) if d == 1 else [c for face in faces(d) for c in _small(face)]
    for cone in cones:
        u = evaluate(cone.coordinates(radius, (0.0,) * d))[0]
        if not u.defined:
            continue
        log_r = Growth(((UNIT, LOG),), radius)
        slack = log_r
        for _ in range(d - 1):
            slack = slack + log_r
        if (u - slack).range().high < arb.pos_inf():
            where = cone.describe(potential.symbols)
            return (
                f"U is at most {d} log r plus a constant along {where}: exp(-U) is not integrable"
            )
    return ""


def _small(face: Directions) -> list[Directions]:
    boxes = [face]
    for _ in range(4 * len(face.others)):
        boxes = [half for box in boxes for half in box.halves()]
    return boxes


def positive_everywhere(potential: Potential) -> bool:
    """Whether U > 0 on all of R^d was proved."""
    expression = potential.expression
    if not expression.free_symbols:
        return bool(expression.is_positive)
    radius = 16
    evaluate = potential.on_rays(arb(radius))
    pending = list(faces(potential.dim))
    count = 0
    while pending:
        box = pending.pop()
        count += 1
        value = evaluate(box.coordinates(arb(radius), (0.0,) * potential.dim))[0]
        if value.defined and (value.lower_term() is not None or value.range().low > 0):
            continue
        if not box.others or count > 300:
            return False
        pending.extend(box.halves())
    return _positive_inside(potential, float(radius))


def _positive_inside(potential: Potential, radius: float) -> bool:
    from .finite import bisect, intervals

    evaluate = potential.on_intervals()
    pending: list[Any] = [((-radius, radius),) * potential.dim]
    count = 0
    while pending:
        box = pending.pop()
        count += 1
        value = evaluate(intervals(box))[0]
        if value.low > 0:
            continue
        if count > 2000 or not value.high > 0:
            return False
        pending.extend(bisect(box))
    return True
