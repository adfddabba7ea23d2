"""What a particle scheme is: a pure step, its orders, and where it comes from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

State = dict[str, Any]
Info = dict[str, Any]


class EnergyInStep(Protocol):
    """The energy as a step sees it: vectors in, vectors and scalars out."""

    def potential(self, x: Any) -> Any:
        """U, a scalar."""

    def gradient(self, x: Any) -> Any:
        """grad U, a vector."""

    def potential_gradient(self, x: Any) -> tuple[Any, Any]:
        """U and grad U together."""


class Draw(Protocol):
    """The noise of one step; what is not read is not drawn."""

    @property
    def normal(self) -> Any:
        """A vector of independent standard normals."""

    @property
    def uniform(self) -> Any:
        """A scalar, uniform on (0, 1)."""


Step = Callable[[State, EnergyInStep, Any, Draw], tuple[State, Info]]
Init = Callable[[Any, EnergyInStep], State]


def position_only(x: Any, energy: EnergyInStep) -> State:
    """The state of a scheme that needs nothing but the position."""
    return {"x": x}


@dataclass(frozen=True, kw_only=True)
class Scheme:
    """A discretisation of dX = -grad U dt + sqrt(2) dW, as data.

    ``step(state, energy, h, draw) -> (state, info)`` advances one step of size h. The state is
    what the next step needs, ``state["x"]`` the position; info is what a reader needs (one
    number per particle and name, averaged by the solver). It is written in the words of
    ``language.py``; every fast loop is generated from it. To alter a scheme, replace its step:
    ``dataclasses.replace(ula, name="ula with half the noise", step=...)``.

    Attributes
    ----------
    name : str
    step, init : callables
    weak_order, strong_order : float
        |E f(X_T) - E f(Y_T)| = O(h^weak), E|X_T - Y_T| = O(h^strong) for smooth U with globally
        Lipschitz gradient.
    exact_in_law : bool
        True where exp(-U) is stationary at every h.
    reference : str
        Bibliography key and place.
    facts : mapping
        Name to statement, for readers.
    """

    name: str
    step: Step
    weak_order: float
    strong_order: float
    reference: str
    init: Init = position_only
    exact_in_law: bool = False
    facts: Mapping[str, str] | None = None
