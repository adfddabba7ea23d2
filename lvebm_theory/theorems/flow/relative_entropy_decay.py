r"""Exponential decay of relative entropy under a logarithmic Sobolev inequality.

    LSI(rho):  KL(mu|pi) <= FI(mu|pi) / (2 rho)   for all mu
    =>         KL(mu_t|pi) <= exp(-2 rho t) KL(mu_0|pi).

Derivation. By de Bruijn, d/dt KL = -FI <= -2 rho KL; Gronwall.

Equality. pi = N(b, I/m), start N(b + a, I/m): the law stays a translate, its shift decays as
e^{-mt} and KL = m |shift|^2 / 2, so KL_t = e^{-2mt} KL_0 with rho = m.

Convention. Books that write Ent(f^2) <= 2 C int |grad f|^2 dpi have C = 1/rho.
"""

import math
from typing import Any

from ...theorem import Reference, Relation, Theorem
from ..assumptions import FINITE_ENTROPY, LOG_SOBOLEV, SMOOTH, TRANSLATE


def _decayed(*, log_sobolev: Any, time: float, initial_relative_entropy: float, **_: Any) -> float:
    return math.exp(-2.0 * log_sobolev.lower * time) * initial_relative_entropy


theorem = Theorem(
    name="kl-decay",
    title="Relative entropy decays at rate 2 rho under LSI(rho)",
    statement=(
        r"\mathrm{KL}(\mu_t\,|\,\pi)\le e^{-2\rho t}\,\mathrm{KL}(\mu_0\,|\,\pi)"
        r"\quad\text{if }\pi\text{ satisfies LSI}(\rho)"
    ),
    reference=Reference(
        key="bakry-gentil-ledoux-2014", place="section 5.2, exponential decay in entropy"
    ),
    inspired_by=("tang-2025",),
    relation=Relation.AT_MOST,
    assumptions=(LOG_SOBOLEV, FINITE_ENTROPY, SMOOTH),
    formula=_decayed,
)

translate_of_gaussian = Theorem(
    name="kl-decay-equality",
    title="A translated Gaussian loses relative entropy at rate exactly 2 m",
    statement=(
        r"\pi=\mathcal N(b,\tfrac1m I),\ \mu_0=\mathcal N(b+a,\tfrac1m I)\ \Rightarrow\ "
        r"\mathrm{KL}(\mu_t\,|\,\pi)=e^{-2mt}\,\mathrm{KL}(\mu_0\,|\,\pi)"
    ),
    reference=Reference(key="pavliotis-2014", place="derived from the Ornstein-Uhlenbeck law"),
    relation=Relation.EQUAL,
    assumptions=(TRANSLATE, LOG_SOBOLEV),
    formula=_decayed,
)
