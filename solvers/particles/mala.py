"""The Metropolis-adjusted Langevin algorithm.

    y = x - h grad U(x) + sqrt(2h) xi,   accepted iff log u < log a,
    log a = U(x) - U(y) + (|y - x + h grad U(x)|^2 - |x - y + h grad U(y)|^2) / (4h)

exp(-U) is stationary at every h. Against the diffusion its strong order is 3/4 (Bou-Rabee and
Vanden-Eijnden, Comm. Pure Appl. Math. 63 (2010) 655, theorem 1.1). Its weak order is 1: the
mean rejection is O(h^{3/2}), but odd in the leading order, so it shifts E f(x+) by O(h^2).
A proposal whose potential is not finite is rejected.

Source: Besag's comment in J. R. Stat. Soc. B 56 (1994) 591; Roberts and Tweedie, Bernoulli 2
(1996) 341, section 1.4.2.
"""

from __future__ import annotations

from typing import Any

from .language import log, sqrt, squared_norm, where
from .scheme import Draw, EnergyInStep, Info, Scheme, State


def init(x: Any, energy: EnergyInStep) -> State:
    """Potential and gradient at the current position are kept for the next step."""
    potential, gradient = energy.potential_gradient(x)
    return {"x": x, "potential": potential, "gradient": gradient}


def step(state: State, energy: EnergyInStep, h: Any, draw: Draw) -> tuple[State, Info]:
    """Propose by ULA, then accept or stay."""
    x, u, g = state["x"], state["potential"], state["gradient"]
    forward = sqrt(2 * h) * draw.normal  # y - x + h g
    y = x - h * g + forward
    v, k = energy.potential_gradient(y)
    backward = x - y + h * k
    log_acceptance = u - v + (squared_norm(forward) - squared_norm(backward)) * (0.25 / h)
    accepted = log(draw.uniform) < log_acceptance
    return (
        {
            "x": where(accepted, y, x),
            "potential": where(accepted, v, u),
            "gradient": where(accepted, k, g),
        },
        {"accepted": where(accepted, 1.0, 0.0)},
    )


mala = Scheme(
    name="mala",
    step=step,
    init=init,
    weak_order=1.0,
    strong_order=0.75,
    exact_in_law=True,
    reference="roberts-tweedie-1996, section 1.4.2",
)
