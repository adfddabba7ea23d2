r"""Error of the parameter gradient, in relative entropies of the two phases.

grad_theta E is G_q-Lipschitz in z (x fixed) and G_p-Lipschitz in (x, z); LSI(rho_q) for every
posterior and LSI(rho_p) for the model:

    |g - grad L(theta)| <= G_q sqrt(2/rho_q) E_data sqrt(KL(q_x|p(.|x)))
                           + G_p sqrt(2/rho_p) sqrt(KL(p|p_theta)).

Derivation. By Fisher's identity the error is the difference of two differences of means; each is
at most G W1 <= G W2 (theorem gradient-error), and W2 <= sqrt(2 KL/rho) (Talagrand's inequality,
Otto-Villani). G_q <= G_p, so one G serves both phases.

Equality. E = m|w - theta|^2/2, translates q_x = N(theta_2 + u, 1/m) and p = N(theta + (0, v), I/m)
with u v <= 0: then W2 = sqrt(2 KL/m) = |u|, |v| and g - grad L = m (u - v).
"""

from __future__ import annotations

import math
from typing import Any

from ...theorem import Reference, Relation, Theorem
from ..assumptions import bounded_above, positive, true


def direction_error(
    *,
    conditional_lipschitz: Any,
    joint_lipschitz: Any,
    conditional_log_sobolev: Any,
    joint_log_sobolev: Any,
    conditional_root_entropy: float,
    joint_root_entropy: float,
    **_: Any,
) -> float:
    """G_q sqrt(2/rho_q) E sqrt KL_q + G_p sqrt(2/rho_p) sqrt KL_p.

    Parameters
    ----------
    conditional_lipschitz, joint_lipschitz : Constant
        G_q, G_p.
    conditional_log_sobolev, joint_log_sobolev : Constant
        rho_q (the least over data), rho_p.
    conditional_root_entropy, joint_root_entropy : float
        E_data sqrt KL(q_x|p(.|x)) and sqrt KL(p|p_theta), in sqrt(nats).
    """
    conditional = conditional_lipschitz.upper * math.sqrt(2.0 / conditional_log_sobolev.lower)
    joint = joint_lipschitz.upper * math.sqrt(2.0 / joint_log_sobolev.lower)
    return float(conditional * conditional_root_entropy + joint * joint_root_entropy)


LIPSCHITZ = (
    bounded_above("conditional_lipschitz", "grad_theta E is G_q-Lipschitz in z"),
    bounded_above("joint_lipschitz", "grad_theta E is G_p-Lipschitz in (x, z)"),
)
SOBOLEV = (
    positive("conditional_log_sobolev", "every posterior satisfies LSI(rho_q), rho_q > 0 known"),
    positive("joint_log_sobolev", "the model satisfies LSI(rho_p), rho_p > 0 known"),
)
_SIDES = (
    r"\bigl|g-\nabla L(\theta)\bigr|%s G_q\sqrt{\tfrac2{\rho_q}}\,"
    r"\mathbb E_{\mathrm{data}}\sqrt{\mathrm{KL}(q_x\,|\,p_\theta(\cdot|x))}"
    r"+G_p\sqrt{\tfrac2{\rho_p}}\,\sqrt{\mathrm{KL}(p\,|\,p_\theta)}"
)

theorem = Theorem(
    name="gradient-error-relative-entropy",
    title="Error of the parameter gradient, in relative entropies of the two phases",
    statement=_SIDES % r"\le",
    reference=Reference(
        key="otto-villani-2000", place="Theorem 1, W2 from KL; derived, see the docstring"
    ),
    inspired_by=("tang-2025",),
    relation=Relation.AT_MOST,
    assumptions=(*LIPSCHITZ, *SOBOLEV),
    formula=direction_error,
)

translates = Theorem(
    name="gradient-error-translates",
    title="Error of the parameter gradient, attained by opposed translates",
    statement=_SIDES % "=" + r"\quad\text{for opposed translates of a Gaussian location family}",
    reference=Reference(key="otto-villani-2000", place="derived, see the docstring"),
    inspired_by=("tang-2025",),
    relation=Relation.EQUAL,
    assumptions=(
        true("opposed_translates", "both phases are opposed translates of a Gaussian location law"),
        *LIPSCHITZ,
        *SOBOLEV,
    ),
    formula=direction_error,
)
