r"""After a computable time the flow's ELBO beats every posterior of a restricted family Q.

With g = inf_{q in Q} KL(q | p(.|x)) > 0, KL_0 = KL(q_0 | p(.|x)) and LSI(rho) for p(.|x):

    KL(q_s | p(.|x)) < g   for all s > s* = log(KL_0/g) / (2 rho).

Derivation. KL_s <= e^{-2 rho s} KL_0 < g for s > s*. If the posterior lies in Q then g = 0 and
nothing can be strictly tighter: the statement is void, and forced it is false.

Mean-field Gaussian family, Gaussian posterior with precision Lambda: the closest member is
N(mean, diag(1/Lambda_ii)) and

    g = 1/2 ( sum_i log Lambda_ii - log det Lambda )   >= 0 (Hadamard), = 0 iff Lambda diagonal.
"""

import math
from typing import Any

import numpy as np

from ...theorem import Assumption, Reference, Relation, Theorem
from ..assumptions import FINITE_ENTROPY, LOG_SOBOLEV


def crossing_time(
    *, log_sobolev: Any, initial_relative_entropy: float, family_gap: float, **_: Any
) -> float:
    """s* = log(KL_0/g)/(2 rho), at least 0; infinite when g = 0.

    Parameters
    ----------
    log_sobolev : Constant
    initial_relative_entropy : float
        KL_0 in nats.
    family_gap : float
        A lower bound of g in nats.
    """
    if family_gap <= 0:
        return math.inf
    ratio = initial_relative_entropy / family_gap
    return max(0.0, math.log(ratio) / (2.0 * float(log_sobolev.lower))) if ratio > 0 else 0.0


def mean_field_gap(precision: Any) -> float:
    """g = (sum_i log Lambda_ii - log det Lambda)/2 for a Gaussian posterior.

    Parameters
    ----------
    precision : array (d, d), positive definite
    """
    matrix = np.atleast_2d(np.asarray(precision, dtype=float))
    return float(0.5 * (np.log(np.diag(matrix)).sum() - np.linalg.slogdet(matrix)[1]))


_OUTSIDE = Assumption(
    text="the posterior lies outside the family: g > 0", holds=lambda q: q["family_gap"] > 0
)

theorem = Theorem(
    name="elbo-tightness",
    title="From s* on, the flow's ELBO is strictly tighter than the best restricted posterior",
    statement=(
        r"s>s^*=\frac1{2\rho}\log\frac{\mathrm{KL}(q_0\,|\,p(\cdot|x))}{g}\ \Rightarrow\ "
        r"\mathrm{KL}(q_s\,|\,p(\cdot|x))<g=\inf_{q\in\mathcal Q}\mathrm{KL}(q\,|\,p(\cdot|x))"
    ),
    reference=Reference(
        key="bakry-gentil-ledoux-2014", place="section 5.2; derived, see the docstring"
    ),
    inspired_by=("tang-2025",),
    relation=Relation.AT_MOST,
    assumptions=(
        LOG_SOBOLEV,
        FINITE_ENTROPY,
        _OUTSIDE,
        Assumption(text="the time is at least s*", holds=lambda q: q["time"] >= crossing_time(**q)),
    ),
    formula=lambda *, family_gap, **_: family_gap,
)

mean_field = Theorem(
    name="mean-field-gap",
    title="Gap of the mean-field Gaussian family to a Gaussian posterior",
    statement=(
        r"\inf_{q=\otimes q_i}\mathrm{KL}\bigl(q\,|\,\mathcal N(\mu,\Lambda^{-1})\bigr)"
        r"=\tfrac12\Bigl(\sum_i\log\Lambda_{ii}-\log\det\Lambda\Bigr)"
    ),
    reference=Reference(
        key="bishop-2006", place="section 10.1.2, the optimum; the value derived, see the docstring"
    ),
    relation=Relation.EQUAL,
    assumptions=(),
    formula=lambda *, precision, **_: mean_field_gap(precision),
)
