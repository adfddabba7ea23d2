r"""Error of the parameter gradient when grad_theta E grows quadratically, as quadratic energies do.

If |D_w grad_theta E(w)| <= G_0 + G_1 |w| (operator norm), then for laws mu, nu with finite second
moments, M(mu) = sqrt(E_mu |W|^2),

    |mu grad_theta E - nu grad_theta E| <= ( G_0 + G_1 (M(mu) + M(nu))/2 ) W2(mu, nu),

and the error of the direction g is at most the sum of both phases, the first averaged over data
(with w = (x, z) at x fixed, so that M(q_x)^2 = |x|^2 + E_{q_x}|z|^2).

Derivation. f = grad_theta E, (X, Y) an optimal coupling. f(X) - f(Y) is the integral over s in
[0, 1] of Df(Y + s(X - Y)) (X - Y), so |f(X) - f(Y)| <= |X - Y| (G_0 + G_1 (|X| + |Y|)/2), as
|sX + (1 - s)Y| <= s|X| + (1 - s)|Y| integrates to (|X| + |Y|)/2. Cauchy-Schwarz, then Minkowski for
the root of E(G_0 + G_1(|X| + |Y|)/2)^2. The growth bound |grad f| <= G(1 + |w|) is G_0 = G_1 = G.

Equality. f(w) = |w|^2/2 (G_0 = 0, G_1 = 1) and mu a dilation of nu about the origin, X = sY: both
sides are |s^2 - 1| M(nu)^2/2.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...theorem import Assumption, Reference, Relation, Theorem
from ..assumptions import true


def growth_error(
    *,
    growth_offset: float,
    growth_slope: float,
    conditional_w2: Any,
    conditional_moment_roots: Any,
    joint_w2: float,
    joint_moment_roots: Any,
    **_: Any,
) -> float:
    """(G_0 + G_1 mean of both M) W2, summed over the two phases.

    Parameters
    ----------
    growth_offset, growth_slope : float
        G_0, G_1.
    conditional_w2 : array (n,)
        W2(q_x, p(.|x)) datum by datum; the mean over data enters.
    conditional_moment_roots : array (n, 2)
        M of (x, z) under q_x and under the posterior.
    joint_w2 : float
    joint_moment_roots : array (2,)
        M under p and under the model.
    """
    distances = np.atleast_1d(np.asarray(conditional_w2, dtype=float))
    roots = np.asarray(conditional_moment_roots, dtype=float).reshape(len(distances), 2)
    conditional = np.mean((growth_offset + growth_slope * roots.mean(axis=1)) * distances)
    joint = (growth_offset + growth_slope * float(np.mean(joint_moment_roots))) * joint_w2
    return float(conditional + joint)


_GROWTH = Assumption(
    text="|D_w grad_theta E(w)| <= G_0 + G_1 |w| with known G_0, G_1 >= 0",
    holds=lambda q: bool(
        np.isfinite([q["growth_offset"], q["growth_slope"]]).all()
        and min(q["growth_offset"], q["growth_slope"]) >= 0.0
    ),
)
_MOMENTS = Assumption(
    text="second moments are finite",
    holds=lambda q: bool(
        np.isfinite(q["conditional_moment_roots"]).all()
        and np.isfinite(q["joint_moment_roots"]).all()
    ),
)

theorem = Theorem(
    name="gradient-error-growth",
    title="Error of the parameter gradient of at most quadratic growth",
    statement=(
        r"\bigl|g-\nabla L(\theta)\bigr|\le\mathbb E_{\mathrm{data}}\Bigl(G_0+G_1\tfrac{M(q_x)"
        r"+M(p_\theta(\cdot|x))}2\Bigr)W_2\bigl(q_x,p_\theta(\cdot|x)\bigr)"
        r"+\Bigl(G_0+G_1\tfrac{M(p)+M(p_\theta)}2\Bigr)W_2(p,p_\theta)"
    ),
    reference=Reference(
        key="villani-2009", place="Definition 6.1, optimal coupling; derived, see the docstring"
    ),
    inspired_by=("tang-2025",),
    relation=Relation.AT_MOST,
    assumptions=(_GROWTH, _MOMENTS),
    formula=growth_error,
)

dilations = Theorem(
    name="gradient-error-dilations",
    title="Error of the parameter gradient, attained by dilations of the model",
    statement=(
        r"\nabla_\theta E=\tfrac12|w|^2,\ X=sY\ \Rightarrow\ "
        r"\bigl|g-\nabla L(\theta)\bigr|=\tfrac{M(p)+M(p_\theta)}2\,W_2(p,p_\theta)"
    ),
    reference=Reference(key="villani-2009", place="derived, see the docstring"),
    relation=Relation.EQUAL,
    assumptions=(
        true("dilation", "grad_theta E = |w|^2/2 and the pool is a dilation of the model"),
        _GROWTH,
        _MOMENTS,
    ),
    formula=growth_error,
)
