r"""The ELBO rises along the conditional flow, at the rate of the Fisher information.

    ELBO_s = L - KL(q_s | p(.|x)),   d/ds ELBO_s = FI(q_s | p(.|x)) >= 0,
    L - ELBO_s <= e^{-2 rho s} (L - ELBO_0)  under LSI(rho) for p(.|x).

Derivation. The first is the ELBO identity, the second de Bruijn's, the third decay of entropy.
"""

import math

from ...theorem import Reference, Relation, Theorem
from ..assumptions import LOG_SOBOLEV, SMOOTH

theorem = Theorem(
    name="elbo-slope",
    title="The ELBO rises along the conditional flow with slope FI",
    statement=(
        r"\frac{\mathrm{d}}{\mathrm{d}s}\mathrm{ELBO}_s"
        r"=\mathrm{FI}\bigl(q_s\,|\,p(\cdot|x)\bigr)\ge0"
    ),
    reference=Reference(
        key="bakry-gentil-ledoux-2014", place="section 5.2; derived, see the docstring"
    ),
    inspired_by=("tang-2025",),
    relation=Relation.EQUAL,
    assumptions=(SMOOTH,),
    formula=lambda *, fisher_information, **_: fisher_information,
)

monotone = Theorem(
    name="elbo-monotone",
    title="The ELBO never falls along the conditional flow",
    statement=r"\mathrm{ELBO}_t\ge\mathrm{ELBO}_s\quad(t\ge s)",
    reference=Reference(
        key="bakry-gentil-ledoux-2014", place="section 5.2; derived, see the docstring"
    ),
    inspired_by=("tang-2025",),
    relation=Relation.AT_LEAST,
    assumptions=(),
    formula=lambda *, earlier_elbo, **_: earlier_elbo,
)

gap_decay = Theorem(
    name="elbo-gap-decay",
    title="The gap between ELBO and log-likelihood closes at rate 2 rho",
    statement=r"L-\mathrm{ELBO}_s\le e^{-2\rho s}\,(L-\mathrm{ELBO}_0)",
    reference=Reference(
        key="bakry-gentil-ledoux-2014", place="section 5.2; derived, see the docstring"
    ),
    inspired_by=("tang-2025",),
    relation=Relation.AT_MOST,
    assumptions=(LOG_SOBOLEV,),
    formula=lambda *, log_sobolev, time, initial_gap, **_: (
        math.exp(-2.0 * log_sobolev.lower * time) * initial_gap
    ),
)
