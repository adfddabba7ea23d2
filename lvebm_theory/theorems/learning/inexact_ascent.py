r"""Ascent of L with inexact gradients under a Polyak-Lojasiewicz inequality.

theta_{k+1} = theta_k + a g_k, |grad L|^2 >= 2 mu (L* - L), grad L Lipschitz with constant Lambda.
Write D_k = sqrt(E(L* - L(theta_k))).

(1) 0 < a <= 1/Lambda, E|g_k - grad L|^2 <= v, biased or not:
    E(L* - L_k) <= (1 - a mu)^k (L* - L_0) + (1 - (1 - a mu)^k) v/(2 mu).
(2) 0 < a < 2/Lambda, sqrt(E|g_k - grad L|^2) <= e, q = sqrt(1 - 2 a mu (1 - a Lambda/2)):
    D_k <= q^k D_0 + (1 - q^k)/(1 - q) a sqrt(Lambda/2) e.
(3) 0 < a < 2/Lambda, E[g_k | past] = grad L, E|g_k - grad L|^2 <= s^2:
    D_k^2 <= q^{2k} D_0^2 + (1 - q^{2k})/(1 - q^2) Lambda a^2 s^2/2.

Derivation. (1) By smoothness L(theta + a g) >= L + a<grad L, g> - Lambda a^2 |g|^2/2; with
Lambda a <= 1 and 2<u, g> - |g|^2 = |u|^2 - |g - u|^2 this is at least
L + (a/2)|grad L|^2 - (a/2)|g - grad L|^2; insert PL, sum the geometric series.
(2) Without error L* - L falls by the factor q^2. As |grad L|^2 <= 2 Lambda (L* - L), the root of
L* - L is Lipschitz with constant sqrt(Lambda/2): moving by a further a(g - grad L) costs at most
a sqrt(Lambda/2)|g - grad L|. Minkowski in L^2, then sum. The rate of (2) is twice that of (1) for
small a; its floor is larger by up to Lambda/mu.
(3) Smoothness around theta + a grad L; the linear term has mean zero.

Equality. L* - L = mu theta^2/2: q = |1 - a mu|. In (2) with a <= 1/mu and a constant error of the
sign of theta (away from the optimum); the floor of (1) for every a; (3) for every noise.
"""

from __future__ import annotations

import math
from typing import Any

from ...theorem import Assumption, Reference, Relation, Theorem
from ..assumptions import bounded_above, finite, positive, true


def step_factor(*, step_size: float, pl: Any, likelihood_smoothness: Any, **_: Any) -> float:
    """q = sqrt(1 - 2 a mu (1 - a Lambda/2)): what one exact step leaves of sqrt(L* - L)."""
    mu, smoothness = float(pl.lower), float(likelihood_smoothness.upper)
    return math.sqrt(max(0.0, 1.0 - 2.0 * step_size * mu * (1.0 - step_size * smoothness / 2.0)))


def geometric_sum(factor: float, steps: int) -> float:
    """1 + f + ... + f^{steps-1}."""
    return float(steps) if factor == 1.0 else (1.0 - factor**steps) / (1.0 - factor)


def _mean_square(
    *, step_size: float, pl: Any, steps: int, initial_gap: float, mean_square_error: float, **_: Any
) -> float:
    mu = float(pl.lower)
    kept = (1.0 - step_size * mu) ** steps
    return float(kept * initial_gap + (1.0 - kept) * mean_square_error / (2.0 * mu))


def _root(*, steps: int, initial_gap: float, root_mean_square_error: float, **q: Any) -> float:
    factor = step_factor(**q)
    reach = q["step_size"] * math.sqrt(float(q["likelihood_smoothness"].upper) / 2.0)
    total = geometric_sum(factor, steps) * reach * root_mean_square_error
    return float(factor**steps * math.sqrt(initial_gap) + total)


def _unbiased(*, steps: int, initial_gap: float, noise_variance: float, **q: Any) -> float:
    square = step_factor(**q) ** 2
    smoothness, a = float(q["likelihood_smoothness"].upper), q["step_size"]
    total = geometric_sum(square, steps) * smoothness * a**2 * noise_variance / 2.0
    return float(square**steps * initial_gap + total)


PL = (
    positive("pl", "|grad L|^2 >= 2 mu (L* - L) with a known mu > 0"),
    bounded_above("likelihood_smoothness", "grad L is Lipschitz with a known constant Lambda"),
)
_START = finite("initial_gap", "L* - L(theta_0) is finite")


def _step_at_most(multiple: float, text: str, *, strict: bool) -> Assumption:
    def holds(q: Any) -> bool:
        reach = q["step_size"] * q["likelihood_smoothness"].upper
        return bool(q["step_size"] > 0 and (reach < multiple if strict else reach <= multiple))

    return Assumption(text=text, holds=holds)


_SHORT = _step_at_most(1.0, "0 < a <= 1/Lambda", strict=False)
STABLE = _step_at_most(2.0, "0 < a < 2/Lambda", strict=True)
_QUADRATIC = true("quadratic", "L* - L = mu theta^2/2 and the error points away from the optimum")
_REFERENCE = Reference(
    key="karimi-nutini-schmidt-2016", place="Theorem 1, exact gradients; derived, see the docstring"
)
_ROOT_STATEMENT = (
    r"\sqrt{\mathbb E(L^*-L_k)}%s q^k\sqrt{L^*-L_0}+\frac{1-q^k}{1-q}\,a\sqrt{\tfrac\Lambda2}\,e,"
    r"\qquad q^2=1-2a\mu\bigl(1-\tfrac{a\Lambda}2\bigr)"
)

theorem = Theorem(
    name="inexact-ascent",
    title="Ascent with inexact gradients, biased or not, under PL",
    statement=(
        r"\mathbb E(L^*-L_k)\le(1-a\mu)^k(L^*-L_0)+\bigl(1-(1-a\mu)^k\bigr)\frac v{2\mu},"
        r"\qquad\mathbb E|g_k-\nabla L|^2\le v"
    ),
    reference=_REFERENCE,
    inspired_by=("tang-2025",),
    relation=Relation.AT_MOST,
    assumptions=(*PL, _SHORT, _START),
    formula=_mean_square,
)

floor = Theorem(
    name="inexact-ascent-floor",
    title="A constant error of the gradient is paid in full at late times",
    statement=(
        r"L^*-L=\tfrac\mu2\theta^2,\ g=\nabla L+e\ \Rightarrow\ "
        r"\lim_{k\to\infty}(L^*-L_k)=\frac{e^2}{2\mu}"
    ),
    reference=Reference(
        key="karimi-nutini-schmidt-2016", place="section 2; derived, see the docstring"
    ),
    inspired_by=("tang-2025",),
    relation=Relation.EQUAL,
    assumptions=(_QUADRATIC, *PL, _SHORT),
    formula=lambda *, pl, mean_square_error, **_: mean_square_error / (2.0 * pl.lower),
)

root = Theorem(
    name="inexact-ascent-root",
    title="Ascent with inexact gradients, in the root of the gap, at the sharp rate",
    statement=_ROOT_STATEMENT % r"\le",
    reference=_REFERENCE,
    inspired_by=("tang-2025",),
    relation=Relation.AT_MOST,
    assumptions=(*PL, STABLE, _START),
    formula=_root,
)

root_equality = Theorem(
    name="inexact-ascent-root-equality",
    title="Ascent of a quadratic with a constant error of the gradient",
    statement=_ROOT_STATEMENT % "=" + r",\quad L^*-L=\tfrac\mu2\theta^2",
    reference=Reference(
        key="karimi-nutini-schmidt-2016", place="section 2; derived, see the docstring"
    ),
    inspired_by=("tang-2025",),
    relation=Relation.EQUAL,
    assumptions=(_QUADRATIC, *PL, _SHORT, _START),
    formula=_root,
)

unbiased = Theorem(
    name="unbiased-ascent",
    title="Ascent with unbiased gradient noise under PL",
    statement=(
        r"\mathbb E(L^*-L_k)\le q^{2k}(L^*-L_0)+\frac{1-q^{2k}}{1-q^2}\,\frac{\Lambda a^2s^2}2,"
        r"\qquad q^2=1-2a\mu\bigl(1-\tfrac{a\Lambda}2\bigr)"
    ),
    reference=_REFERENCE,
    inspired_by=("tang-2025",),
    relation=Relation.AT_MOST,
    assumptions=(*PL, STABLE, _START),
    formula=_unbiased,
)
