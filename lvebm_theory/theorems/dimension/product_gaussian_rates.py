r"""Rates against dimension on Gaussians: the rate does not change, the time grows like log d.

For pi = N(0, I/m)^d and a product start, KL is d times that of one coordinate, so the rate is 2m
in every dimension, and from translates by a in every coordinate the time to reach KL = eps is

    t(d) = ( log d + log(m a^2 / (2 eps)) ) / (2m).

Derivation. Tensorisation of KL; KL_t = d (m a^2/2) e^{-2mt}.
"""

import math

from ...theorem import Reference, Relation, Theorem
from ..assumptions import LOG_SOBOLEV, TRANSLATE

theorem = Theorem(
    name="rate-in-dimension",
    title="On product Gaussians the rate of KL is free of the dimension",
    statement=(
        r"\pi=\mathcal N(0,\tfrac1m)^{\otimes d}:\quad"
        r"-\frac{\mathrm{d}}{\mathrm{d}t}\log\mathrm{KL}(\mu_t\,|\,\pi)=2m\quad\text{for every }d"
    ),
    reference=Reference(
        key="bakry-gentil-ledoux-2014",
        place="section 5.2, tensorisation; derived, see the docstring",
    ),
    inspired_by=("tang-2025",),
    relation=Relation.RATE,
    assumptions=(TRANSLATE, LOG_SOBOLEV),
    formula=lambda *, log_sobolev, **_: 2.0 * log_sobolev.lower,
)

time_to_accuracy = Theorem(
    name="time-in-dimension",
    title="The time to a given KL grows like log d / (2m)",
    statement=(r"t(d)=\frac1{2m}\Bigl(\log d+\log\frac{ma^2}{2\varepsilon}\Bigr)"),
    reference=Reference(key="pavliotis-2014", place="derived, see the docstring"),
    inspired_by=("tang-2025",),
    relation=Relation.EQUAL,
    assumptions=(TRANSLATE, LOG_SOBOLEV),
    formula=lambda *, log_sobolev, dim, shift, accuracy, **_: (
        (math.log(dim) + math.log(log_sobolev.lower * shift**2 / (2.0 * accuracy)))
        / (2.0 * log_sobolev.lower)
    ),
)
