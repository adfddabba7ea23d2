"""Pieces of an energy that are energies themselves: separated coordinates, marginals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import FloatArray
from ..errors import ArgumentError, LvebmError
from ..protocols import Energy, Field, SourceBackend

if TYPE_CHECKING:
    from ..certified.subject import Potential


class PotentialEnergy:
    """An Energy from a potential whose parameters are exact numbers.

    Parameters
    ----------
    formula_potential : Potential
        What the proofs work on; the fields below are evaluated from the same expressions.
    name : str
    written : Potential, optional
        The same with sums of exponentials as they were written, for ``written``.
    """

    def __init__(
        self, formula_potential: Potential, name: str, written: Potential | None = None
    ) -> None:
        self.formula_potential = formula_potential
        self.name = name
        self.written = formula_potential if written is None else written
        p = formula_potential
        flat = [entry for row in p.hessian for entry in row]
        self._functions = {
            "potential": p.on_floats(),
            "gradient": p.on_floats(*p.gradient),
            "hessian": p.on_floats(*flat),
        }

    @property
    def dim(self) -> int:
        """Dimension d."""
        return self.formula_potential.dim

    @property
    def parameters(self) -> Mapping[str, float]:
        """None: every number is in the expression."""
        return {}

    @property
    def smooth(self) -> bool:
        """False where a kink is possible."""
        return self.formula_potential.smooth

    def on_coordinates(self, field: Field, coordinates: Sequence[Any]) -> FloatArray:
        """A field on d broadcastable arrays: shapes (*b), (d, *b), (d, d, *b), (*b)."""
        if field == "laplacian":
            hessian = self.on_coordinates("hessian", coordinates)
            return np.asarray(np.trace(hessian, axis1=0, axis2=1))
        values = np.stack(self._functions[field]([np.asarray(c, dtype=float) for c in coordinates]))
        match field:
            case "potential":
                return np.asarray(values[0])
            case "hessian":
                return values.reshape(self.dim, self.dim, *values.shape[1:])
        return values

    def potential(self, x: FloatArray) -> FloatArray:
        """U at x (n, d); shape (n,)."""
        return self.on_coordinates("potential", list(x.T))

    def gradient(self, x: FloatArray) -> FloatArray:
        """Gradient of U at x (n, d); shape (n, d)."""
        return self.on_coordinates("gradient", list(x.T)).T

    def hessian(self, x: FloatArray) -> FloatArray:
        """Hessian of U at x (n, d); shape (n, d, d)."""
        return np.moveaxis(self.on_coordinates("hessian", list(x.T)), -1, 0)

    def laplacian(self, x: FloatArray) -> FloatArray:
        """Laplacian of U at x (n, d); shape (n,)."""
        return self.on_coordinates("laplacian", list(x.T))

    def parameter_vector(self) -> FloatArray:
        """Empty."""
        return np.zeros(0)

    def source(self, backend: SourceBackend) -> str | None:
        """None: this energy serves the constants only."""
        return None


def provable(energy: Energy) -> Energy | Potential | None:
    """What the proofs in ball arithmetic accept for this energy; None without a formula."""
    if isinstance(energy, PotentialEnergy):
        return energy.formula_potential
    return energy if hasattr(energy, "formula") else None


def exact_potential(energy: Energy) -> Potential | None:
    """The potential with exact numbers for parameters; None without a formula."""
    subject = provable(energy)
    if subject is None:
        return None
    from ..certified.subject import potential_of

    return potential_of(subject)


def written(energy: Energy) -> Potential | None:
    """As ``exact_potential`` with sums of exponentials as they were written, see ``as_written``."""
    if isinstance(energy, PotentialEnergy):
        return energy.written
    if not hasattr(energy, "formula"):
        return None
    from ..certified.subject import as_written

    return as_written(energy)


def refuse_without_law(energy: Energy) -> None:
    """Raise an ArgumentError where int exp(-U) was proved infinite: there is no pi, and no gap."""
    subject = provable(energy)
    if subject is None:
        return
    from ..certified import certify_normalisable

    verdict = certify_normalisable(subject)
    if verdict.how == "refuted":
        raise ArgumentError(f"{energy.name} has no law pi: {verdict.reason}")


def separated_parts(energy: Energy) -> list[Energy]:
    """Energies on groups of coordinates whose sum is U; [energy] if the formula does not split."""
    potential = _splittable(energy)
    if potential is None:
        return [energy]
    from ..certified.transform import separated

    return _named(energy, separated(potential), "{}")


def independent_parts(energy: Energy) -> list[Energy]:
    """The same, in the plane also on rotated coordinates: independent under pi, not axes of x."""
    parts = separated_parts(energy)
    potential = _splittable(energy) if len(parts) == 1 else None
    if potential is None:
        return parts
    from ..certified.rotation import separating_rotation
    from ..certified.transform import separated

    turned = separating_rotation(potential)
    return parts if turned is None else _named(energy, separated(turned), "rotated {}")


def _splittable(energy: Energy) -> Potential | None:
    try:
        return exact_potential(energy) if energy.dim > 1 else None
    except LvebmError:
        return None


def _named(energy: Energy, parts: list[Potential], axes: str) -> list[Energy]:
    if len(parts) == 1:
        return [energy]
    return [
        PotentialEnergy(part, f"{energy.name}, {axes.format(', '.join(map(str, part.symbols)))}")
        for part in parts
    ]
