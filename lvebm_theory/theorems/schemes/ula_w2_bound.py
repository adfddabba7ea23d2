r"""W2 of ULA for strongly convex energies.

    m I <= Hess U <= L I, 0 < h <= 2/(m + L)  =>
    W2(mu_k, pi) <= (1 - mh)^k W2(mu_0, pi) + (7 sqrt(2)/6) (L/m) sqrt(h d).

Loose: on Gaussians the floor is of order h, two orders of magnitude below at usual steps.
"""

import math

from ...theorem import Assumption, Reference, Relation, Theorem
from ..assumptions import CONVEX, bounded_above

theorem = Theorem(
    name="ula-w2-bound",
    title="Dalalyan-Karagulyan: W2 of ULA under strong convexity",
    statement=(
        r"W_2(\mu_k,\pi)\le(1-mh)^k\,W_2(\mu_0,\pi)+\frac{7\sqrt2}6\,\frac Lm\sqrt{hd},"
        r"\qquad 0<h\le\frac2{m+L}"
    ),
    reference=Reference(key="dalalyan-karagulyan-2019", place="Theorem 1"),
    inspired_by=("tang-2025",),
    relation=Relation.AT_MOST,
    assumptions=(
        CONVEX,
        bounded_above("smoothness", "grad U is L-Lipschitz with a known L"),
        Assumption(
            text="0 < h <= 2/(m + L)",
            holds=lambda q: (
                q["step_size"] > 0.0
                and q["step_size"] * (q["convexity"].lower + q["smoothness"].upper) <= 2.0
            ),
        ),
    ),
    formula=lambda *, convexity, smoothness, dim, step_size, steps, initial_w2, **_: (
        (1.0 - convexity.lower * step_size) ** steps * initial_w2
        + 7.0
        * math.sqrt(2.0)
        / 6.0
        * smoothness.upper
        / convexity.lower
        * math.sqrt(step_size * dim)
    ),
    loose=True,
)
