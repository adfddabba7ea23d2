r"""Relative entropy of ULA under a logarithmic Sobolev inequality.

    LSI(rho), -L I <= Hess U <= L I, 0 < h <= rho/(4 L^2)  =>
    KL(mu_k | pi) <= e^{-rho h k} KL(mu_0 | pi) + 8 h d L^2 / rho.

The rate is rho, not 2 rho. The source's alpha is our rho. Loose: on Gaussians the floor is of
order h^2, four orders of magnitude below the bound at usual steps.
"""

import math
from typing import Any

from ...theorem import Assumption, Reference, Relation, Theorem
from ..assumptions import LOG_SOBOLEV, bounded_above


def _bound(
    *,
    log_sobolev: Any,
    smoothness: Any,
    dim: int,
    step_size: float,
    steps: int,
    initial_relative_entropy: float,
    **_: Any,
) -> float:
    rho, lipschitz = float(log_sobolev.lower), float(smoothness.upper)
    kept = math.exp(-rho * step_size * steps)
    return kept * initial_relative_entropy + 8.0 * step_size * dim * lipschitz**2 / rho


theorem = Theorem(
    name="ula-kl-bound",
    title="Vempala-Wibisono: relative entropy of ULA under LSI",
    statement=(
        r"\mathrm{KL}(\mu_k\,|\,\pi)\le e^{-\rho hk}\,\mathrm{KL}(\mu_0\,|\,\pi)"
        r"+\frac{8hdL^2}{\rho},\qquad 0<h\le\frac\rho{4L^2}"
    ),
    reference=Reference(key="vempala-wibisono-2019", place="Theorem 1"),
    inspired_by=("tang-2025",),
    relation=Relation.AT_MOST,
    assumptions=(
        LOG_SOBOLEV,
        bounded_above("smoothness", "grad U is L-Lipschitz with a known L"),
        Assumption(
            text="0 < h <= rho/(4 L^2)",
            holds=lambda q: (
                0.0 < q["step_size"] <= q["log_sobolev"].lower / (4.0 * q["smoothness"].upper ** 2)
            ),
        ),
    ),
    formula=_bound,
    loose=True,
)
