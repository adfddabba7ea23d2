r"""Exponential convergence without convexity and without an LSI, by reflection coupling.

For a convexity profile kappa with

    <grad U(x) - grad U(y), x - y> >= kappa(|x-y|) |x-y|^2,   liminf_{r->inf} kappa(r) > 0,

there are an explicit concave f (increasing, f(0) = 0, phi(R_0) r/2 <= f(r) <= r) and c > 0 with

    W_f(mu_t, nu_t) <= e^{-ct} W_f(mu_0, nu_0),   W_f = inf over couplings of E f(|X-Y|).

Construction and derivation (our convention, noise sqrt(2)). Reflect the noise of Y along
e = (X-Y)/|X-Y|: r = |X-Y| obeys dr <= -r kappa(r) dt + 2 sqrt(2) dB, hence
E df(r) <= (4 f'' - r kappa f') dt for concave f. Put

    phi(r) = exp(-1/4 int_0^r s kappa^-(s) ds),   Phi = int_0^r phi,
    f' = phi g,   g(r) = 1 - (c/4) int_0^{min(r,R_1)} Phi/phi,
    R_0 = inf{R: kappa >= 0 on [R, inf)},
    R_1 = inf{R >= R_0: kappa(r) R (R - R_0) >= 8 on [R, inf)},
    1/c = 1/2 int_0^{R_1} Phi/phi.

Then g decreases from 1 to 1/2. Below R_1: 4f'' - r kappa f' = -r kappa^+ f' + 4 phi g' <=
4 phi g' = -c Phi <= -c f. Beyond R_1: f' = phi(R_0)/2, and with int_{R_0}^{R_1} Phi/phi >=
(R_1 - R_0) Phi(R_1)/(2 phi(R_0)) and Phi(r)/r decreasing, c f <= c Phi(r) <=
4 phi(R_0) r/((R_1 - R_0) R_1) <= r kappa f'. So e^{ct} E f(r_t) never increases.

Convention. The source has dX = b dt + sigma dB and a profile with the factor 2/sigma^2; with
sigma^2 = 2 its formulas are these.

By f(r) between phi(R_0) r/2 and r it follows that
    W1(mu_t, nu_t) <= (2/phi(R_0)) e^{-ct} W1(mu_0, nu_0);
with prefactor 1 that is FALSE on two wells.
"""

import math
from typing import Any

from ...theorem import Reference, Relation, Theorem
from ..assumptions import positive

_CONTRACTS = positive(
    "contraction_rate", "kappa is bounded below and positive at large distances, so that c > 0"
)


def _bound(*, contraction_rate: Any, time: float, initial_distance: float, **_: Any) -> float:
    return math.exp(-float(contraction_rate.lower) * time) * initial_distance


theorem = Theorem(
    name="convergence-without-lsi",
    title="Reflection coupling: W_f contracts at Eberle's explicit rate",
    statement=(
        r"W_f(\mu_t,\nu_t)\le e^{-ct}\,W_f(\mu_0,\nu_0),\quad "
        r"\tfrac1c=\tfrac12\int_0^{R_1}\frac{\Phi(s)}{\varphi(s)}\mathrm{d}s,\ "
        r"\varphi(r)=e^{-\frac14\int_0^rs\kappa^-(s)\mathrm{d}s},\ \Phi=\int_0^r\varphi"
    ),
    reference=Reference(
        key="eberle-2016", place="Theorem 1 and Corollary 2; derivation in the docstring"
    ),
    inspired_by=("tang-2025",),
    relation=Relation.AT_MOST,
    assumptions=(_CONTRACTS,),
    formula=_bound,
)

in_w1 = Theorem(
    name="w1-decay-without-lsi",
    title="W1 decays at Eberle's rate, with its prefactor",
    statement=(r"W_1(\mu_t,\nu_t)\le\frac2{\varphi(R_0)}\,e^{-ct}\,W_1(\mu_0,\nu_0)"),
    reference=Reference(key="eberle-2016", place="Corollary 2; derivation in the docstring"),
    inspired_by=("tang-2025",),
    relation=Relation.AT_MOST,
    assumptions=(_CONTRACTS,),
    formula=lambda *, prefactor, **q: prefactor * _bound(**q),
    loose=True,
)
