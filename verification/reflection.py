"""Reflection coupling in one dimension, as a wrapper around a particle scheme.

X moves with normals xi and Y with -xi until they meet; from then on Y is X. Within a step of size
h the distance r is a Brownian bridge of variance 8 per unit time, which meets 0 between two
positive ends with probability exp(-r r'/(4h)): so the coupling has no error of order sqrt(h). Y
carries a copy of X in its state, so a run of X by the plain scheme and a run of Y by the wrapped
one, with the same noise, are the coupled pair.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from solvers.particles.scheme import Scheme


def reflected(scheme: Scheme, shift: float, noise: float = 1.0) -> Scheme:
    """The scheme of Y, whose partner X starts at Y + shift and moves by the scheme itself.

    Parameters
    ----------
    scheme : Scheme whose state is the position alone
    shift : float
        X_0 - Y_0, positive.
    noise : float
        What the scheme's noise is multiplied by (for mutated schemes).
    """
    from solvers.particles.language import exp, where

    def init(y: Any, energy: Any) -> dict[str, Any]:
        return {"x": y, "partner": y + shift}

    def step(
        state: dict[str, Any], energy: Any, h: Any, draw: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        y, x = state["x"], state["partner"]
        x_next = scheme.step({"x": x}, energy, h, draw)[0]["x"]
        y_next = scheme.step({"x": y}, energy, h, _Mirrored(draw))[0]["x"]
        product = (x - y)[0] * (x_next - y_next)[0]
        # a product <= 0 makes the exponential at least one: ends of two signs have met
        apart = draw.uniform > exp(-product / (4.0 * noise**2 * h))
        return {"x": where(apart, y_next, x_next), "partner": x_next}, {}

    return replace(scheme, name=f"{scheme.name}, reflected", init=init, step=step)


@dataclass(frozen=True)
class _Mirrored:
    """The normals with the other sign."""

    draw: Any

    @property
    def normal(self) -> Any:
        return -self.draw.normal

    @property
    def uniform(self) -> Any:
        return self.draw.uniform
