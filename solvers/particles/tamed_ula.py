"""Tamed ULA: ULA whose drift never moves a particle by more than one length unit.

    x+ = x - h g / (1 + h |g|) + sqrt(2h) xi,     g = grad U(x)

Converges with strong order 1 (additive noise) for superlinear gradients, where ULA diverges.

Source: Hutzenthaler, Jentzen and Kloeden, Ann. Appl. Probab. 22 (2012) 1611, (4); for sampling
Brosse, Durmus, Moulines and Sabanis, Stoch. Process. Appl. 129 (2019) 3638, TULA (6).
"""

from __future__ import annotations

from typing import Any

from .language import sqrt, squared_norm
from .scheme import Draw, EnergyInStep, Info, Scheme, State


def step(state: State, energy: EnergyInStep, h: Any, draw: Draw) -> tuple[State, Info]:
    """One step with the drift tamed by its norm."""
    x = state["x"]
    g = energy.gradient(x)
    tamed = 1.0 / (1.0 + h * sqrt(squared_norm(g)))
    return {"x": x - (h * tamed) * g + sqrt(2 * h) * draw.normal}, {}


tamed_ula = Scheme(
    name="tamed-ula",
    step=step,
    weak_order=1.0,
    strong_order=1.0,
    reference="brosse-durmus-moulines-sabanis-2019, (6)",
)
