r"""What ULA's bias does to the learned parameter.

E = t x^2/2 without latents, data of second moment s2, pool moved by ULA with step h. The learner
stands still where the pool's stationary second moment equals s2:

    t (1 - h t/2) = 1/s2,    t_h = (1 - sqrt(1 - 2h/s2))/h = 1/s2 + h/(2 s2^2) + O(h^2).

The other root (1 + sqrt(1 - 2h/s2))/h is unstable. For h > s2/2 there is no real root: whatever t,
the stationary second moment is at least 2h > s2, so that the direction of theta is at least
h - s2/2 > 0; t grows until h t = 2, where the pool has no stationary law.

First order, any exponential family E = t f + rest with Lipschitz gradient, d/dh t_h at h = 0:

    e_1(f)/Var(f),   e_1(f) = Cov(f, |grad U|^2/4 - Lap U/2)   at the maximum-likelihood t.

Derivation. ULA's stationary variance at precision t is 1/(t(1 - ht/2)) (ula_on_gaussians), and
g = (pool second moment - s2)/2. Its derivative in t at a root has the sign of h t - 1: negative at
t_h, positive at the other root. t(1 - ht/2) is largest at t = 1/h, with value 1/(2h). First order:
differentiate pi_{t,h}(f) = data mean of f in h; d pi_t(f)/dt = -Var f, d pi_{t,h}(f)/dh = e_1(f)
(ula_bias). For f = x^2/2: e_1 = 1/4, Var f = s2^2/2.
"""

from __future__ import annotations

import math
from typing import Any

from ...theorem import Assumption, Reference, Relation, Theorem
from ..assumptions import SMOOTH, true


def fixed_point(*, step_size: float, data_second_moment: float, **_: Any) -> float:
    """t_h; not a number where there is no real root.

    Parameters
    ----------
    step_size : float
        h of the pool's ULA.
    data_second_moment : float
        s2.
    """
    ratio = 2.0 * step_size / data_second_moment
    # (1 - sqrt(1 - u))/h without cancellation for small u
    return 2.0 / (data_second_moment * (1.0 + math.sqrt(1.0 - ratio))) if ratio <= 1 else math.nan


_ROOT = Assumption(
    text="a fixed point exists: h <= s2/2",
    holds=lambda q: 0.0 < 2.0 * q["step_size"] <= q["data_second_moment"],
)
_NO_ROOT = Assumption(
    text="h > s2/2: no fixed point exists",
    holds=lambda q: 2.0 * q["step_size"] > q["data_second_moment"],
)
_MODEL = true("scale_family", "E = t x^2/2 without latents")

theorem = Theorem(
    name="learned-bias",
    title="The parameter that learning with ULA settles at",
    statement=(
        r"t_h\bigl(1-\tfrac{ht_h}2\bigr)=\frac1{s_2},\qquad"
        r"t_h=\frac{1-\sqrt{1-2h/s_2}}h=\frac1{s_2}+\frac h{2s_2^2}+O(h^2)"
    ),
    reference=Reference(key="wibisono-2018", place="ULA on Gaussians; derived, see the docstring"),
    inspired_by=("tang-2025",),
    relation=Relation.EQUAL,
    assumptions=(_MODEL, _ROOT),
    formula=fixed_point,
)

runaway = Theorem(
    name="learned-bias-runaway",
    title="Beyond h = s2/2 the learner has no fixed point: its direction stays positive",
    statement=r"h>\tfrac{s_2}2\ \Rightarrow\ \inf_{0<t<2/h}g(t)=h-\tfrac{s_2}2>0",
    reference=Reference(key="wibisono-2018", place="ULA on Gaussians; derived, see the docstring"),
    inspired_by=("tang-2025",),
    relation=Relation.AT_LEAST,
    assumptions=(_MODEL, _NO_ROOT),
    formula=lambda *, step_size, data_second_moment, **_: step_size - data_second_moment / 2.0,
)

first_order = Theorem(
    name="learned-bias-first-order",
    title="First-order bias of a learned parameter of an exponential family",
    statement=(
        r"\frac{t_h-t_0}h\;\xrightarrow[h\to0]{}\;\frac{\mathrm{Cov}\bigl(f,\tfrac14|\nabla U|^2"
        r"-\tfrac12\Delta U\bigr)}{\mathrm{Var}(f)},\qquad E=tf+\cdots"
    ),
    reference=Reference(
        key="talay-tubaro-1990", place="the expansion; e_1 derived, see the docstring"
    ),
    inspired_by=("tang-2025",),
    relation=Relation.RATE,
    assumptions=(SMOOTH, true("lipschitz_gradient", "grad U is Lipschitz")),
    formula=lambda *, covariance, variance, **_: covariance / variance,
)
