r"""One Jordan-Kinderlehrer-Otto step against the flow.

    J_tau mu = argmin_nu  KL(nu|pi) + W2^2(mu, nu) / (2 tau).

Order two, with its constant (derived). Lagrangian picture in one dimension: with quantile
functions X(u), W2 is the L^2(0,1) distance and KL(.|pi) is the functional Phi(X) = int U(X) du -
int log X' du + log Z, so the flow is dX/dt = -grad Phi(X) in L^2 and the step is implicit Euler.
For smooth data

    flow:  X + tau v + tau^2/2 a + O(tau^3),   step:  X + tau v + tau^2 a + O(tau^3),

v = -grad Phi(X), a = Dv/dt the acceleration along the flow (v_t(x) = -(log mu_t/pi)'(x) and
a = d_t v + v v'). Hence

    lim W2(J_tau mu, mu_tau) / tau^2 = 1/2 (int a^2 dmu)^{1/2}.                      (jko-step)

A priori, without smoothness, for Hess U >= 0:
    W2(J_tau mu, mu_tau) <= tau sqrt(FI(mu|pi) / 2).                                 (jko-a-priori)

Closed form. pi = N(0, 1/m), mu = N(a, s^2): the step is N(a', s'^2) with a' = a/(1 + m tau) and
s' = (s + sqrt(s^2 + 4 tau (1 + m tau))) / (2 (1 + m tau)), the stationary point of
(s'-s)^2/(2 tau) + m s'^2/2 - log s'.                                                (jko-gaussian)

Convention. Cost |x-y|^2 without 1/2, hence 1/(2 tau), as in the source.
"""

import math
from typing import Any

from ...theorem import Assumption, Reference, Relation, Theorem
from ..assumptions import SMOOTH, true

theorem = Theorem(
    name="jko-step",
    title="One JKO step leaves the flow at order tau^2, with half the acceleration",
    statement=(
        r"\lim_{\tau\to0}\frac{W_2(J_\tau\mu,\mu_\tau)}{\tau^2}"
        r"=\tfrac12\Bigl(\int|\dot v|^2\,\mathrm{d}\mu\Bigr)^{1/2},\qquad"
        r"v=-\nabla\log\tfrac{\mathrm{d}\mu}{\mathrm{d}\pi},\quad"
        r"\dot v=\partial_tv+(v\cdot\nabla)v"
    ),
    reference=Reference(
        key="jordan-kinderlehrer-otto-1998",
        place="the scheme: section 4; the constant: derived, see the docstring",
    ),
    inspired_by=("tang-2025",),
    relation=Relation.EQUAL,
    assumptions=(SMOOTH, true("one_dimensional", "d = 1, where quantile functions flatten W2")),
    formula=lambda *, acceleration, **_: 0.5 * acceleration,
)

order = Theorem(
    name="jko-order",
    title="The one-step error of JKO has order two",
    statement=r"W_2(J_\tau\mu,\mu_\tau)=\Theta(\tau^2)\quad(\tau\to0)",
    reference=Reference(
        key="jordan-kinderlehrer-otto-1998",
        place="the scheme: section 4; the order: derived, see the docstring",
    ),
    relation=Relation.RATE,
    assumptions=(SMOOTH, true("one_dimensional", "d = 1, where quantile functions flatten W2")),
    formula=lambda **_: 2.0,
)

a_priori = Theorem(
    name="jko-a-priori",
    title="A priori error of one JKO step for convex energies",
    statement=(
        r"W_2(J_\tau\mu,\mu_\tau)\le\tau\sqrt{\tfrac12\mathrm{FI}(\mu\,|\,\pi)}"
        r"\quad\text{if }\nabla^2U\ge0"
    ),
    reference=Reference(
        key="ambrosio-gigli-savare-2008",
        place="chapter 4, a priori error estimate for convex functionals",
    ),
    relation=Relation.AT_MOST,
    assumptions=(Assumption(text="Hess U >= 0", holds=lambda q: bool(q["convexity"].lower >= 0)),),
    formula=lambda *, step, fisher_information, **_: step * math.sqrt(0.5 * fisher_information),
    loose=True,
)


def _gaussian_w2_to_target(
    *, precision: float, mean: float, sd: float, step: float, **_: Any
) -> float:
    gain = 1.0 + precision * step
    mean_after = mean / gain
    sd_after = (sd + math.sqrt(sd**2 + 4.0 * step * gain)) / (2.0 * gain)
    return math.hypot(mean_after, sd_after - precision**-0.5)


gaussian_step = Theorem(
    name="jko-gaussian",
    title="One JKO step from a Gaussian toward a Gaussian, in closed form",
    statement=(
        r"\pi=\mathcal N(0,\tfrac1m),\ \mu=\mathcal N(a,s^2)\ \Rightarrow\ "
        r"J_\tau\mu=\mathcal N\Bigl(\tfrac{a}{1+m\tau},"
        r"\Bigl(\tfrac{s+\sqrt{s^2+4\tau(1+m\tau)}}{2(1+m\tau)}\Bigr)^2\Bigr);"
        r"\quad\text{measured: }W_2(J_\tau\mu,\pi)"
    ),
    reference=Reference(
        key="jordan-kinderlehrer-otto-1998", place="derived from its scheme, see the docstring"
    ),
    relation=Relation.EQUAL,
    assumptions=(true("gaussian", "pi and mu are Gaussian on the line, pi centred"),),
    formula=_gaussian_w2_to_target,
)
