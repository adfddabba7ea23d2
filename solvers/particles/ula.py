"""The unadjusted Langevin algorithm.

    x+ = x - h grad U(x) + sqrt(2h) xi

Euler-Maruyama; with additive noise its strong order is 1 (Kloeden and Platen 1992, section
10.3). On a quadratic of curvature l its stationary variance is 1 / (l (1 - h l / 2)). Where
grad U grows faster than linearly it diverges with positive probability at every h.

Source: Roberts and Tweedie, Bernoulli 2 (1996) 341, section 1.4.1.
"""

from __future__ import annotations

from typing import Any

from .language import sqrt
from .scheme import Draw, EnergyInStep, Info, Scheme, State


def step(state: State, energy: EnergyInStep, h: Any, draw: Draw) -> tuple[State, Info]:
    """One Euler-Maruyama step."""
    x = state["x"]
    return {"x": x - h * energy.gradient(x) + sqrt(2 * h) * draw.normal}, {}


ula = Scheme(
    name="ula",
    step=step,
    weak_order=1.0,
    strong_order=1.0,
    reference="roberts-tweedie-1996, section 1.4.1",
)
