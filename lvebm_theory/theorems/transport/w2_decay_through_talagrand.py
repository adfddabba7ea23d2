r"""Decay of W2 under a logarithmic Sobolev inequality, at the price of a prefactor.

    LSI(rho)  =>  W2(mu_t, pi) <= sqrt(2 KL(mu_0|pi) / rho) e^{-rho t}.

Derivation. Talagrand's inequality at time t, then the decay of relative entropy.

Equality. A translate of pi = N(b, I/m), where both inequalities are equalities.
"""

import math
from typing import Any

from ...theorem import Reference, Relation, Theorem
from ..assumptions import FINITE_ENTROPY, LOG_SOBOLEV, SMOOTH, TRANSLATE


def _bound(*, log_sobolev: Any, time: float, initial_relative_entropy: float, **_: Any) -> float:
    rho = float(log_sobolev.lower)
    return math.sqrt(2.0 * initial_relative_entropy / rho) * math.exp(-rho * time)


theorem = Theorem(
    name="w2-talagrand-decay",
    title="W2 decays at rate rho under LSI(rho), with prefactor sqrt(2 KL_0/rho)",
    statement=(
        r"W_2(\mu_t,\pi)\le\sqrt{\tfrac2\rho\,\mathrm{KL}(\mu_0\,|\,\pi)}\;e^{-\rho t}"
        r"\quad\text{if }\pi\text{ satisfies LSI}(\rho)"
    ),
    reference=Reference(key="otto-villani-2000", place="Theorem 1, with decay of entropy"),
    inspired_by=("tang-2025",),
    relation=Relation.AT_MOST,
    assumptions=(LOG_SOBOLEV, FINITE_ENTROPY, SMOOTH),
    formula=_bound,
)

translate_of_gaussian = Theorem(
    name="w2-talagrand-decay-equality",
    title="A translated Gaussian attains the decay of W2 through Talagrand",
    statement=(
        r"\pi=\mathcal N(b,\tfrac1mI),\ \mu_0=\mathcal N(b+a,\tfrac1mI)\ \Rightarrow\ "
        r"W_2(\mu_t,\pi)=\sqrt{\tfrac2m\,\mathrm{KL}(\mu_0\,|\,\pi)}\;e^{-mt}=|a|e^{-mt}"
    ),
    reference=Reference(key="otto-villani-2000", place="derived, see the docstring"),
    relation=Relation.EQUAL,
    assumptions=(TRANSLATE, LOG_SOBOLEV),
    formula=_bound,
)
