"""Reflection coupling in one dimension, as a wrapper around a particle scheme.

X moves with normals xi and Y with -xi until they meet; from then on Y is X. Y carries a copy of X
in its state, so a run of X by the plain scheme and a run of Y by the wrapped one, with the same
noise, are the coupled pair.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from solvers.particles.scheme import Scheme


def reflected(scheme: Scheme, shift: float) -> Scheme:
    """The scheme of Y, whose partner X starts at Y + shift and moves by the scheme itself.

    Parameters
    ----------
    scheme : Scheme whose state is the position alone
    shift : float
        X_0 - Y_0, positive.
    """
    from solvers.particles.language import where

    def init(y: Any, energy: Any) -> dict[str, Any]:
        return {"x": y, "partner": y + shift}

    def step(
        state: dict[str, Any], energy: Any, h: Any, draw: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        y, x = state["x"], state["partner"]
        x_next = scheme.step({"x": x}, energy, h, draw)[0]["x"]
        y_next = scheme.step({"x": y}, energy, h, _Mirrored(draw))[0]["x"]
        apart = (x - y)[0] * (x_next - y_next)[0] > 0.0
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
