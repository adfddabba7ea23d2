r"""Exponential decay of chi-square under a Poincare inequality, and of one mode exactly.

    Poincare(lambda):  Var_pi f <= int |grad f|^2 dpi / lambda
    =>                 chi2(mu_t|pi) <= exp(-2 lambda (t-s)) chi2(mu_s|pi),  s <= t.

Derivation. h_t = mu_t/pi solves d_t h = L h, so d/dt int (h-1)^2 dpi = -2 int |grad h|^2 dpi
<= -2 lambda int (h-1)^2 dpi. No smoothness of U is used beyond that of the Dirichlet form.

Stated from any s, because chi2(mu_0|pi) is infinite for every Gaussian start when U grows faster
than quadratically (mu_0^2/pi is not integrable), while it is finite at every s > 0 there: the
semigroup is ultracontractive.

One mode. If -L phi = lambda_k phi then E phi(X_t) = e^{-lambda_k t} E phi(X_0), for every start.

Equality cases. With the modes phi_k, chi2_t = sum_k c_k^2 e^{-2 lambda_k t}, c_k = E phi_k(X_0):
the bound is attained by starts (1 + c phi_1) pi, and in the limit of small translates of a
Gaussian, where chi2(N(a, I/m) | N(0, I/m)) = exp(m |a|^2) - 1 and a decays as e^{-mt}.
"""

import math
from typing import Any

from ...theorem import Reference, Relation, Theorem
from ..assumptions import POINCARE, TRANSLATE, finite

theorem = Theorem(
    name="chi2-decay",
    title="Chi-square decays at rate 2 lambda under Poincare(lambda)",
    statement=(
        r"\chi^2(\mu_t\,|\,\pi)\le e^{-2\lambda(t-s)}\,\chi^2(\mu_s\,|\,\pi)"
        r"\quad\text{if }\mathrm{Var}_\pi f\le\tfrac1\lambda\int|\nabla f|^2\,\mathrm{d}\pi"
    ),
    reference=Reference(
        key="bakry-gentil-ledoux-2014", place="section 4.2, exponential decay in variance"
    ),
    inspired_by=("tang-2025",),
    relation=Relation.AT_MOST,
    assumptions=(POINCARE, finite("initial_chi_square", "chi2(mu_s|pi) is finite")),
    formula=lambda *, gap, time, initial_chi_square, **_: (
        math.exp(-2.0 * gap.lower * time) * initial_chi_square
    ),
)

one_mode = Theorem(
    name="mode-decay",
    title="The mean of an eigenfunction decays at exactly its eigenvalue",
    statement=(
        r"-\mathcal L\varphi_k=\lambda_k\varphi_k\ \Rightarrow\ "
        r"\mathbb E\,\varphi_k(X_t)=e^{-\lambda_k t}\,\mathbb E\,\varphi_k(X_0)"
    ),
    reference=Reference(
        key="pavliotis-2014", place="chapter 4, eigenfunctions of reversible diffusions"
    ),
    relation=Relation.EQUAL,
    assumptions=(finite("initial_mean", "phi_k is integrable at the start"),),
    formula=lambda *, eigenvalue, time, initial_mean, **_: (
        math.exp(-eigenvalue * time) * initial_mean
    ),
)


def _translate(*, precision: float, shift: float, time: float, **_: Any) -> float:
    return math.expm1(precision * shift**2 * math.exp(-2.0 * precision * time))


translate_of_gaussian = Theorem(
    name="chi2-decay-equality",
    title="Chi-square of a translated Gaussian, in closed form",
    statement=(
        r"\pi=\mathcal N(b,\tfrac1m I),\ \mu_0=\mathcal N(b+a,\tfrac1m I)\ \Rightarrow\ "
        r"\chi^2(\mu_t\,|\,\pi)=\exp\bigl(m|a|^2e^{-2mt}\bigr)-1"
    ),
    reference=Reference(key="pavliotis-2014", place="derived, see the docstring"),
    relation=Relation.EQUAL,
    assumptions=(TRANSLATE,),
    formula=_translate,
)
