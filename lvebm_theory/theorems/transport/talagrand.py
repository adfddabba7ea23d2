r"""Talagrand's transport inequality from the logarithmic Sobolev inequality (Otto-Villani).

    LSI(rho)  =>  W2^2(mu, pi) <= (2/rho) KL(mu | pi)   for all mu.

Stated below for W2 itself, which is what is measured.

Equality. mu a translate of pi = N(b, I/m): W2^2 = |a|^2, KL = m |a|^2/2, rho = m.

Convention. The source writes W2 with cost |x-y|^2 and LSI(rho) exactly as here.
"""

import math
from typing import Any

from ...theorem import Reference, Relation, Theorem
from ..assumptions import LOG_SOBOLEV, SMOOTH, TRANSLATE


def _bound(*, log_sobolev: Any, relative_entropy: float, **_: Any) -> float:
    return math.sqrt(2.0 * relative_entropy / float(log_sobolev.lower))


theorem = Theorem(
    name="talagrand",
    title="Talagrand: W2 is at most sqrt(2 KL/rho) under LSI(rho)",
    statement=(
        r"W_2(\mu,\pi)\le\sqrt{\tfrac2\rho\,\mathrm{KL}(\mu\,|\,\pi)}"
        r"\quad\text{if }\pi\text{ satisfies LSI}(\rho)"
    ),
    reference=Reference(key="otto-villani-2000", place="Theorem 1"),
    inspired_by=("tang-2025",),
    relation=Relation.AT_MOST,
    assumptions=(LOG_SOBOLEV, SMOOTH),
    formula=_bound,
)

translate_of_gaussian = Theorem(
    name="talagrand-equality",
    title="Talagrand is an equality for translates of a Gaussian",
    statement=(
        r"\pi=\mathcal N(b,\tfrac1mI),\ \mu=\mathcal N(b+a,\tfrac1mI)\ \Rightarrow\ "
        r"W_2(\mu,\pi)=\sqrt{\tfrac2m\,\mathrm{KL}(\mu\,|\,\pi)}"
    ),
    reference=Reference(key="otto-villani-2000", place="derived, see the docstring"),
    relation=Relation.EQUAL,
    assumptions=(TRANSLATE, LOG_SOBOLEV),
    formula=_bound,
)
