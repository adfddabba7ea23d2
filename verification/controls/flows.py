"""Mutated density solvers: the flow of another equation, presented as that of U.

The flow with noise scaled by s, dX = -grad U dt + s sqrt(2) dW, is the flow of U/s^2 run s^2
times as fast; so a wrong noise needs no switch in the solver, only another energy and other
times.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lvebm_theory.arrays import FloatArray
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import Energy, Field, SourceBackend

if TYPE_CHECKING:
    from solvers.densities import DensityPath


@dataclass(frozen=True)
class ScaledEnergy:
    """factor * U, by delegation; fulfils the Energy protocol, without generated source."""

    energy: Energy
    factor: float

    @property
    def name(self) -> str:
        """Identifier."""
        return f"{self.factor:g} x {self.energy.name}"

    @property
    def dim(self) -> int:
        """Dimension d."""
        return self.energy.dim

    @property
    def parameters(self) -> Mapping[str, float]:
        """Those of U."""
        return self.energy.parameters

    @property
    def smooth(self) -> bool:
        """As U."""
        return self.energy.smooth

    def potential(self, x: FloatArray) -> FloatArray:
        """factor U at x (n, d), shape (n,)."""
        return self.factor * self.energy.potential(x)

    def gradient(self, x: FloatArray) -> FloatArray:
        """factor grad U, shape (n, d)."""
        return self.factor * self.energy.gradient(x)

    def hessian(self, x: FloatArray) -> FloatArray:
        """factor Hess U, shape (n, d, d)."""
        return self.factor * self.energy.hessian(x)

    def laplacian(self, x: FloatArray) -> FloatArray:
        """factor Lap U, shape (n,)."""
        return self.factor * self.energy.laplacian(x)

    def on_coordinates(self, field: Field, coordinates: Sequence[Any]) -> FloatArray:
        """factor times a field of U on broadcastable coordinates."""
        return self.factor * self.energy.on_coordinates(field, coordinates)

    def parameter_vector(self) -> FloatArray:
        """Those of U."""
        return self.energy.parameter_vector()

    def source(self, backend: SourceBackend) -> None:
        """None: not a formula."""
        return


def with_noise_scaled(path: DensityPath, start: InitialLaw, factor: float) -> DensityPath:
    """The path's densities replaced by those of the flow with noise times ``factor``.

    The Gibbs state, grids and times stay those of U: what is measured against pi is then wrong.
    """
    from dataclasses import replace

    from solvers.densities.fokker_planck import solve_on_grids

    wrong = solve_on_grids(
        ScaledEnergy(path.energy, factor**-2),
        start,
        factor**2 * path.times,
        [level.grid for level in path.levels],
    )
    levels = []
    for right, other in zip(path.levels, wrong.levels, strict=True):
        snapshots = tuple(
            replace(snapshot, excess=snapshot.masses - generator.gibbs)
            for snapshot, generator in (
                (snapshot, right.generator(k)) for k, snapshot in enumerate(other.snapshots)
            )
        )
        levels.append(replace(right, snapshots=snapshots))
    return replace(path, levels=tuple(levels))
