r"""The identifiable twin: z ~ N(0, 1), x | z ~ N(t z, g), whose normaliser does not depend on t.

E = z^2/2 + (x - t z)^2/(2g);  x ~ N(0, g + t^2);  z | x ~ N(t x/(g + t^2), g/(g + t^2)); s2 the
second moment of the data:

    L'(t) = t (s2 - g - t^2)/(g + t^2)^2,    t* = +- sqrt(s2 - g)   (0 if s2 <= g).

t = 0 is stationary for every s2; for s2 > g it is a minimum of L, from which the coupled flow
(theta' = eta g, latents at speed kappa) escapes at the rate l > 0, the positive root of

    l (l + kappa)(l + 1 + 1/g) = (eta/g) [ s2 (kappa/g)(l + 1 + 1/g) - (1 + 1/g)(l + kappa) ].

Derivation. log p(x) = -log(2 pi (g + t^2))/2 - x^2/(2(g + t^2)); differentiate. At t = 0 the model
is x ~ N(0, g), z ~ N(0, 1) independent and the posterior is N(0, 1), so with latents z|x ~ N(kx, v)
and pool covariance S: t' = (eta/g)[(t S_zz - S_xz) - (t E z^2 - k s2)] = (eta/g)(s2 k - S_xz) to
first order, S_xz' = -(1 + 1/g) S_xz + (1 + 1/g) t, k' = kappa (t/g - k). Eliminate k and S_xz. The
right-hand side minus the left is positive at l = 0 iff s2 > g, and negative for large l.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...theorem import Assumption, Reference, Relation, Theorem
from ..assumptions import true


def gradient(*, t: float, noise: float, data_second_moment: float, **_: Any) -> float:
    """L'(t).

    Parameters
    ----------
    t, noise, data_second_moment : float
        t, g, s2.
    """
    total = noise + t * t
    return t * (data_second_moment - total) / total**2


def escape_rate(
    *, noise: float, data_second_moment: float, eta: float, latent_speed: float = 1.0, **_: Any
) -> float:
    """The largest real eigenvalue of the linearised flow of (t, S_xz, k) at t = 0."""
    pull = 1.0 + 1.0 / noise
    matrix = np.array(
        [
            [0.0, -eta / noise, eta * data_second_moment / noise],
            [pull, -pull, 0.0],
            [latent_speed / noise, 0.0, -latent_speed],
        ]
    )
    return float(np.linalg.eigvals(matrix).real.max())


_MODEL = true("directed_gaussian", "z ~ N(0, 1), x | z ~ N(t z, g)")
_ABOVE = Assumption(
    text="s2 > g: the data vary more than the noise",
    holds=lambda q: q["data_second_moment"] > q["noise"],
)
_REFERENCE = Reference(
    key="tipping-bishop-1999", place="section 3, one latent; derived, see the docstring"
)

theorem = Theorem(
    name="directed-twin-optimum",
    title="The learned loading of the directed Gaussian model",
    statement=r"\lim_{s\to\infty}|t_s|=\sqrt{s_2-g}\quad(s_2>g,\ t_0\ne0)",
    reference=_REFERENCE,
    inspired_by=("tang-2025",),
    relation=Relation.EQUAL,
    assumptions=(_MODEL, _ABOVE, true("off_saddle", "the run does not start at t = 0")),
    formula=lambda *, noise, data_second_moment, **_: math.sqrt(data_second_moment - noise),
)

collapse = Theorem(
    name="directed-twin-collapse",
    title="Where the noise explains the data, the loading is learned to be zero",
    statement=r"s_2\le g\ \Rightarrow\ \lim_{s\to\infty}t_s=0",
    reference=_REFERENCE,
    inspired_by=("tang-2025",),
    relation=Relation.EQUAL,
    assumptions=(
        _MODEL,
        Assumption(text="s2 < g", holds=lambda q: q["data_second_moment"] < q["noise"]),
    ),
    formula=lambda **_: 0.0,
)

slope = Theorem(
    name="directed-twin-gradient",
    title="Gradient of the log-likelihood of the directed Gaussian model",
    statement=r"L'(t)=\frac{t\,(s_2-g-t^2)}{(g+t^2)^2}",
    reference=_REFERENCE,
    inspired_by=("tang-2025",),
    relation=Relation.EQUAL,
    assumptions=(_MODEL,),
    formula=gradient,
)

escape = Theorem(
    name="directed-twin-escape",
    title="Rate at which learning leaves the saddle t = 0",
    statement=(
        r"t_s\sim e^{ls}:\quad l(l+\kappa)\bigl(l+1+\tfrac1g\bigr)=\tfrac\eta g\Bigl["
        r"\tfrac{\kappa s_2}g\bigl(l+1+\tfrac1g\bigr)-\bigl(1+\tfrac1g\bigr)(l+\kappa)\Bigr]"
    ),
    reference=_REFERENCE,
    inspired_by=("tang-2025",),
    relation=Relation.RATE,
    assumptions=(_MODEL, _ABOVE),
    formula=escape_rate,
)
