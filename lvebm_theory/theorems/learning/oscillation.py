r"""When the mean of persistent learning oscillates: the Gaussian location family.

E = r(x - theta)^2/2, mean-field pool, theta' = eta g. In the clock tau = eta r t the deviation from
the data mean solves eta theta'' + theta' + theta = 0, with roots

    r_pm = (-1 pm sqrt(1 - 4 eta))/(2 eta):

real iff eta <= 1/4; beyond, frequency sqrt(4 eta - 1)/(2 eta) and damping 1/(2 eta); stable for
every eta > 0.

Derivation. theta' = eta r (m - X), X' = r(theta - X) for the pool's mean X; differentiate once and
divide by (eta r)^2.
"""

from __future__ import annotations

import math

from ...theorem import Assumption, Reference, Relation, Theorem
from ..assumptions import true

THRESHOLD = 0.25
_LOCATION = true("gaussian_location", "E = r(x - theta)^2/2, mean field")
_REFERENCE = Reference(key="pavliotis-stuart-2008", place="derived, see the docstring")

theorem = Theorem(
    name="oscillation-threshold",
    title="Persistent learning of a location oscillates beyond eta = 1/4",
    statement=(r"\inf\{\eta:\ \theta(\cdot)\text{ changes its sign infinitely often}\}=\tfrac14"),
    reference=_REFERENCE,
    inspired_by=("valsecchi-oliva-2025", "tang-2025"),
    relation=Relation.EQUAL,
    assumptions=(_LOCATION,),
    formula=lambda **_: THRESHOLD,
)

frequency = Theorem(
    name="oscillation-frequency",
    title="Frequency of persistent learning beyond the threshold",
    statement=r"\omega=\frac{\sqrt{4\eta-1}}{2\eta},\qquad\eta>\tfrac14,\ \tau=\eta rt",
    reference=_REFERENCE,
    inspired_by=("valsecchi-oliva-2025",),
    relation=Relation.EQUAL,
    assumptions=(_LOCATION, Assumption(text="eta > 1/4", holds=lambda q: q["eta"] > THRESHOLD)),
    formula=lambda *, eta, **_: math.sqrt(4.0 * eta - 1.0) / (2.0 * eta),
)
