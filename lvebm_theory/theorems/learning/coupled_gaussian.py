r"""The coupled flows on E = a x^2/2 - b x z + z^2/2: fixed points, spectrum, oscillation.

Mean field with centred Gaussian laws: S the pool's covariance, z | x ~ N(k x, v) the latents, s2
the second moment of the data, Lam = ((a, -b), (-b, 1)):

    a' = eta (S_xx - s2)/2,   b' = eta (k s2 - S_xz),   S' = 2I - Lam S - S Lam,
    k' = kappa (b - k),       v' = 2 kappa (1 - v).

Fixed points: a - b^2 = 1/s2 exactly, k = b, v = 1, S = Lam^{-1}: a curve, for only a - b^2 is
identifiable. The limits of a and of b depend on the start and on eta.

Linearised on that curve (``linearisation``): one eigenvalue 0, along the curve; -2 kappa, of v; and
five more. At b = 0 they are -2 and the roots of two quadratics,

    l^2 + (2/s2) l + eta s2,
    l^2 + (kappa + 1 + 1/s2) l + kappa (1 + 1/s2) + eta (1 + s2 - kappa s2):

for kappa = 1 stable for every eta, and real iff eta <= 1/s2^3 and eta <= 1/(4 s2^2) respectively,
so the learner oscillates beyond min(1/s2^3, 1/(4 s2^2)). For kappa > 1 + 1/s2 and eta > kappa (1 +
1/s2)/(kappa s2 - 1 - s2) the second has a positive root.

Stability is NOT general: for b != 0 and kappa = 1 the spectrum enters the right half plane when s2
is large; at s2 = 10, a - b^2 = 1/10, b = 0.8, eta = 0.17 the largest real part is +0.022, and the
flow leaves that fixed point in growing oscillations. Up to s2 = 6 none was found on a grid of b in
[0.01, 5] and eta in [1e-4, 100].

Derivation. Setting the right-hand sides to zero gives S = Lam^{-1}, whose xx-entry is 1/(a - b^2),
and k = b. dS = -(Lam dS + dS Lam) - (dLam S + S dLam) linearises the pool. At b = 0 the unknowns
(a, S_xx) and (b, S_xz, k) separate: dS_xx' = -(2/s2) dS_xx - 2 s2 da and da' = eta dS_xx/2; dS_xz'
= -(1 + 1/s2) dS_xz + (1 + s2) db, dk' = kappa(db - dk), db' = eta(s2 dk - dS_xz), whose cubic has
the root 0.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...arrays import FloatArray
from ...theorem import Assumption, Reference, Relation, Theorem
from ..assumptions import true


def linearisation(
    *, b: float, eta: float, data_second_moment: float, latent_speed: float = 1.0, **_: Any
) -> FloatArray:
    """Derivative of the flow of (a, b, S_xx, S_xz, S_zz, k) at the fixed point with this b, (6, 6).

    Parameters
    ----------
    b, eta, data_second_moment, latent_speed : float
        b, eta, s2, kappa; a = b^2 + 1/s2.
    """
    s2, kappa = data_second_moment, latent_speed
    a = b * b + 1.0 / s2
    s_xx, s_xz, s_zz = s2, b * s2, 1.0 + b * b * s2
    return np.array(
        [
            [0.0, 0.0, eta / 2.0, 0.0, 0.0, 0.0],
            [0.0, 0.0, 0.0, -eta, 0.0, eta * s2],
            [-2.0 * s_xx, 2.0 * s_xz, -2.0 * a, 2.0 * b, 0.0, 0.0],
            [-s_xz, s_zz + s_xx, b, -(a + 1.0), b, 0.0],
            [0.0, 2.0 * s_xz, 0.0, 2.0 * b, -2.0, 0.0],
            [0.0, kappa, 0.0, 0.0, 0.0, -kappa],
        ]
    )


def largest_real_part(**q: Any) -> float:
    """Largest real part among the eigenvalues, the zero along the curve left out."""
    values = np.linalg.eigvals(linearisation(**q))
    return float(np.delete(values, np.argmin(np.abs(values))).real.max())


def oscillation_threshold(*, data_second_moment: float, **_: Any) -> float:
    """min(1/s2^3, 1/(4 s2^2)): beyond it the flow at b = 0, kappa = 1 oscillates."""
    return min(data_second_moment**-3, data_second_moment**-2 / 4.0)


_MODEL = true("linear_gaussian", "E = a x^2/2 - b x z + z^2/2, mean field, centred Gaussian laws")
_REFERENCE = Reference(
    key="hirsch-smale-devaney-2013", place="section 8.1, linearisation; derived, see the docstring"
)

theorem = Theorem(
    name="coupled-fixed-point",
    title="What the coupled Gaussian flow settles at: a - b^2 = 1/s2, never a and b",
    statement=r"\lim_{t\to\infty}\bigl(a_t-b_t^2\bigr)=\frac1{s_2}",
    reference=_REFERENCE,
    inspired_by=("tang-2025",),
    relation=Relation.EQUAL,
    assumptions=(_MODEL, true("converged", "the run converges")),
    formula=lambda *, data_second_moment, **_: 1.0 / data_second_moment,
)

spectrum = Theorem(
    name="coupled-spectrum",
    title="Decay or growth rate of the coupled Gaussian flow around its fixed points",
    statement=(
        r"\max\{\mathrm{Re}\,l:\ \det(J-l)=0,\ l\ne0\},\qquad J=\text{linearised flow at }"
        r"\bigl(b^2+\tfrac1{s_2},b\bigr)"
    ),
    reference=_REFERENCE,
    inspired_by=("tang-2025",),
    relation=Relation.RATE,
    assumptions=(_MODEL,),
    formula=largest_real_part,
)

oscillation = Theorem(
    name="coupled-oscillation-threshold",
    title="Ratio of time scales beyond which the coupled Gaussian flow oscillates, b = 0",
    statement=r"\eta^*=\min\Bigl(\frac1{s_2^3},\frac1{4s_2^2}\Bigr)",
    reference=_REFERENCE,
    inspired_by=("tang-2025", "valsecchi-oliva-2025"),
    relation=Relation.EQUAL,
    assumptions=(
        _MODEL,
        Assumption(text="b = 0", holds=lambda q: q["b"] == 0.0),
        Assumption(text="kappa = 1", holds=lambda q: q.get("latent_speed", 1.0) == 1.0),
    ),
    formula=oscillation_threshold,
)


def complex_part(**q: Any) -> float:
    """Largest imaginary part of the spectrum; 0 where the flow does not oscillate."""
    imaginary = float(np.abs(np.linalg.eigvals(linearisation(**q)).imag).max())
    return 0.0 if math.isclose(imaginary, 0.0, abs_tol=1e-12) else imaginary
