r"""The normaliser stays finite along a run, with checkable constants.

(1) Dissipativity. <grad E_theta(w), w> >= alpha |w|^2 - c for every theta of the run, R =
sqrt(c/alpha), e = the least energy on |w| <= R along the run, n = dim of (x, z):

    Z <= e^{-e} [ V_n R^n + S_n int_R^inf r^{n-1} (r/R)^c e^{-alpha(r^2 - R^2)/2} dr ],

V_n, S_n the volume and the area of the unit ball; for c = 0: Z <= e^{-E(0)} (2 pi/alpha)^{n/2}.

(2) Linear-Gaussian energies E = a x^2/2 - b x z + z^2/2 have Z = 2 pi/sqrt(a - b^2): Z is finite
iff a > b^2. The set a - b^2 >= margin is convex and closed, so projecting onto it after each step
keeps Z <= 2 pi/sqrt(margin), and moves theta no farther from any theta of the set, theta* included.

(3) Exact ascent keeps a - b^2 away from zero by itself: with s2 the second moment of the data,
L* - L = (u - 1 - log u)/2 at u = s2 (a - b^2), and L does not fall, hence

    a_t - b_t^2 >= -W_0(-exp(-1 - 2 (L* - L_0)))/s2    (W_0 the principal branch of Lambert's W).

With inexact gradients neither holds without a projection: a small pool drives a below b^2.

Derivation. (1) d/dr E(r u) = <grad E(ru), u> >= alpha r - c/r; integrate from R outwards, where the
right-hand side is positive. (2) The set is the epigraph of b^2 + margin; projections onto convex
sets do not increase distances to their points. (3) x ~ N(0, 1/(a - b^2)) under the model, so
L = (log(a - b^2) - s2 (a - b^2))/2 + const, largest at u = 1; u - 1 - log u <= 2 Delta means
u e^{-u} >= e^{-1 - 2 Delta}, and the smaller solution is -W_0(-e^{-1 - 2 Delta}).

Equality. (1) E = alpha |w|^2/2; (3) at time 0 when u_0 <= 1.
"""

from __future__ import annotations

import math
from typing import Any

from scipy.special import gammaincc, gammaln, lambertw

from ...theorem import Assumption, Reference, Relation, Theorem
from ..assumptions import DISSIPATIVE, finite, true


def log_normaliser_bound(
    *, dissipativity: Any, dissipativity_offset: float, least_energy: float, dim: int, **_: Any
) -> float:
    """The logarithm of the bound (1).

    Parameters
    ----------
    dissipativity : Constant
        alpha; the least along the run.
    dissipativity_offset : float
        c >= 0; the largest along the run.
    least_energy : float
        min of E over |w| <= sqrt(c/alpha), the least along the run.
    dim : int
        n.
    """
    alpha, c = float(dissipativity.lower), float(dissipativity_offset)
    if c == 0.0:
        return 0.5 * dim * math.log(2.0 * math.pi / alpha) - least_energy
    log_area = math.log(2.0) + 0.5 * dim * math.log(math.pi) - float(gammaln(dim / 2.0))
    log_ball = log_area - math.log(dim) + 0.5 * dim * math.log(c / alpha)
    shape = (dim + c) / 2.0
    log_tail = log_area - 0.5 * c * math.log(c / alpha) + c / 2.0 - math.log(2.0)
    log_tail += shape * math.log(2.0 / alpha) + float(gammaln(shape))
    log_tail += math.log(float(gammaincc(shape, c / 2.0)))
    high = max(log_ball, log_tail)
    return high + math.log(math.exp(log_ball - high) + math.exp(log_tail - high)) - least_energy


def least_margin(*, initial_gap: float, data_second_moment: float, **_: Any) -> float:
    """-W_0(-exp(-1 - 2 Delta))/s2, the lower bound (3) of a - b^2."""
    return float(-lambertw(-math.exp(-1.0 - 2.0 * initial_gap)).real / data_second_moment)


theorem = Theorem(
    name="normaliser-bound",
    title="Dissipativity along the run bounds the normaliser",
    statement=(
        r"Z_\theta\le e^{-\min_{|w|\le R}E}\Bigl[V_nR^n+S_n\int_R^\infty r^{n-1}"
        r"\bigl(\tfrac rR\bigr)^ce^{-\alpha(r^2-R^2)/2}\,\mathrm dr\Bigr],"
        r"\qquad R=\sqrt{c/\alpha}"
    ),
    reference=Reference(key="khasminskii-2012", place="chapter 3; derived, see the docstring"),
    inspired_by=("tang-2025",),
    relation=Relation.AT_MOST,
    assumptions=(DISSIPATIVE, finite("least_energy", "E is bounded below on the ball")),
    formula=log_normaliser_bound,
)

isotropic = Theorem(
    name="normaliser-equality",
    title="The bound of the normaliser is attained by isotropic quadratic energies",
    statement=r"E=\tfrac\alpha2|w|^2+e\ \Rightarrow\ Z=e^{-e}(2\pi/\alpha)^{n/2}",
    reference=Reference(key="pavliotis-2014", place="derived, see the docstring"),
    relation=Relation.EQUAL,
    assumptions=(true("isotropic", "E = alpha |w|^2/2 + const"), DISSIPATIVE),
    formula=log_normaliser_bound,
)

projected = Theorem(
    name="projection-keeps-normalisable",
    title="Projection keeps a - b^2 at its margin, and with it the normaliser finite",
    statement=r"\theta_k\in\Pi_\delta=\{a-b^2\ge\delta\}\ \Rightarrow\ a_k-b_k^2\ge\delta",
    reference=Reference(key="nesterov-2018", place="section 2.2.3; derived, see the docstring"),
    inspired_by=("tang-2025",),
    relation=Relation.AT_LEAST,
    assumptions=(
        true("projected", "theta is projected onto {a - b^2 >= margin} after every step"),
        Assumption(text="the margin is positive", holds=lambda q: q["margin"] > 0.0),
    ),
    formula=lambda *, margin, **_: margin,
)

exact_ascent = Theorem(
    name="normalisable-under-exact-ascent",
    title="Exact ascent keeps a - b^2 away from zero",
    statement=r"a_t-b_t^2\ge-\frac{W_0\bigl(-e^{-1-2(L^*-L_0)}\bigr)}{s_2}",
    reference=Reference(key="corless-1996", place="section 2; derived, see the docstring"),
    inspired_by=("tang-2025",),
    relation=Relation.AT_LEAST,
    assumptions=(
        true("exact_ascent", "theta follows the exact gradient of L: L does not fall"),
        finite("initial_gap", "L* - L(theta_0) is finite"),
    ),
    formula=least_margin,
)
