r"""Late slopes: log KL and log chi-square fall at exactly twice an eigenvalue.

If -L has discrete spectrum 0 < lambda_1 <= lambda_2 <= ... with modes phi_k and
c_k = E phi_k(X_0), and k is the first index with c_k != 0, then

    lim -(1/t) log chi2(mu_t|pi) = lim -(1/t) log KL(mu_t|pi) = 2 lambda_k.

Derivation. h_t = mu_t/pi = 1 + sum_j c_j e^{-lambda_j t} phi_j in L^2(pi), whence chi2_t =
sum_j c_j^2 e^{-2 lambda_j t} ~ c_k^2 e^{-2 lambda_k t}. For KL, put u = h - 1: u log-expansion
(1+u) log(1+u) - u = u^2/2 + O(u^3) and, the semigroup being hypercontractive or u bounded,
int |u|^3 dpi = o(int u^2 dpi), so KL_t ~ chi2_t / 2.

It is twice the GAP, not twice the log-Sobolev constant: where rho < lambda_1 (tilted wells) the
bound e^{-2 rho t} is not attained late. A symmetric start over a symmetric well kills the odd
modes and shows 2 lambda_2.
"""

from ...theorem import Reference, Relation, Theorem
from ..assumptions import POINCARE, SMOOTH, true

theorem = Theorem(
    name="late-rate",
    title="Late slope of log KL and log chi2: twice the first excited eigenvalue",
    statement=(
        r"\lim_{t\to\infty}-\frac{\mathrm{d}}{\mathrm{d}t}\log\mathrm{KL}(\mu_t\,|\,\pi)"
        r"=\lim_{t\to\infty}-\frac{\mathrm{d}}{\mathrm{d}t}\log\chi^2(\mu_t\,|\,\pi)=2\lambda_k,"
        r"\quad k=\min\{j\ge1:\mathbb E\varphi_j(X_0)\ne0\}"
    ),
    reference=Reference(key="pavliotis-2014", place="chapter 4; for KL derived, see the docstring"),
    inspired_by=("tang-2025",),
    relation=Relation.RATE,
    assumptions=(
        POINCARE,
        SMOOTH,
        true("discrete_spectrum", "the spectrum of -L is discrete: U grows faster than linearly"),
    ),
    formula=lambda *, eigenvalue, **_: 2.0 * eigenvalue,
)
