r"""What a start has to do with the late phase: its weight on the first mode.

    chi2(mu_t|pi) e^{2 lambda_1 t} -> c_1^2 = ( E phi_1(X_0) )^2,   phi_1 normalised in L^2(pi),

so two starts of equal chi-square or KL can differ late by any factor, and a start with c_1 = 0
(symmetric over a symmetric well) leaves the slow phase out altogether. Derivation: the spectral
expansion of ``chi_square_decay``.
"""

from ...theorem import Reference, Relation, Theorem
from ..assumptions import POINCARE, SMOOTH

theorem = Theorem(
    name="dependence-on-start",
    title="The late amplitude is the squared weight of the start on the first mode",
    statement=(
        r"\lim_{t\to\infty}e^{2\lambda_1t}\chi^2(\mu_t\,|\,\pi)"
        r"=\bigl(\mathbb E\,\varphi_1(X_0)\bigr)^2"
    ),
    reference=Reference(key="pavliotis-2014", place="chapter 4; derived, see the docstring"),
    inspired_by=("tang-2025",),
    relation=Relation.EQUAL,
    assumptions=(POINCARE, SMOOTH),
    formula=lambda *, first_mode_weight, **_: first_mode_weight**2,
)
