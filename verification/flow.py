"""The flow of one energy behind one face: ``flow["KL"]`` is a curve, whoever measures it.

Grid: functionals of densities. Particles: ULA samples against the Gibbs masses of the grid. Closed
form: Gaussians. Each quantity is measured once per evaluation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from lvebm_theory.errors import ArgumentError

from .claim import Context, Setting, Witness
from .curves import Curve
from .initial_entropy import relative_entropy_of_start
from .measurement import Measurement
from .subjects import energy_of, start_of

if TYPE_CHECKING:
    from solvers.densities import DensityPath

    from .controls.mutants import Mutant
    from .particle_witness import Snapshots

QUANTITIES = ("KL", "chi2", "FI", "W2")


class Flow(Mapping[str, Curve]):
    """KL, chi2, FI and W2 to pi along the flow from the start of a setting.

    A mutant of particles changes their scheme; one of another witness is ``change(path,
    quantity)`` -> a curve in place of the grid's, or None where it changes nothing.
    """

    def __init__(
        self,
        claim: str,
        setting: Setting,
        witness: Witness,
        mutant: Mutant | None,
        context: Context,
    ) -> None:
        self._claim, self._setting, self._witness = claim, setting, witness
        self._mutant, self._context = mutant, context
        self._energy, self._start = energy_of(setting), start_of(setting)
        self._seen: dict[str, Curve] = {}

    @cached_property
    def path(self) -> DensityPath:
        """Densities at the times of the setting, and at others to be shown."""
        from .grid_witness import density_path, with_shown

        grid = self._witness == "grid"
        times = with_shown(self._setting) if grid else self._setting.times
        return density_path(self._energy, self._start, times, claim=self._claim)

    @cached_property
    def initial(self) -> Measurement:
        """KL at time 0, by quadrature or in closed form."""
        if self._witness == "closed-form":
            return self["KL"].at(0.0)
        return relative_entropy_of_start(self._energy, self._start, self.path.log_normaliser)

    @cached_property
    def particles(self) -> Snapshots:
        """ULA samples at the times of the setting; of a mutant at the last one, unaccompanied."""
        from .particle_witness import enough, snapshots, step_for

        setting, mutant = self._setting, self._mutant
        name = "" if mutant is None else mutant.name
        return snapshots(
            self._energy,
            self._start,
            list(setting.times) if mutant is None else [setting.times[-1]],
            self._context,
            stream=f"{self._claim}/{setting.name}/{name}",
            step_size=step_for(self._energy, self._start, setting.times),
            mutate=None if mutant is None else mutant.change,
            particles=enough(setting, self._context) if mutant is None else None,
            companion=mutant is None,
        )

    def __getitem__(self, quantity: str) -> Curve:
        if quantity not in QUANTITIES:
            raise KeyError(quantity)
        if quantity not in self._seen:
            self._seen[quantity] = self._measured(quantity)
        return self._seen[quantity]

    def _measured(self, quantity: str) -> Curve:
        from . import closed_form_witness, grid_witness

        if self._witness == "closed-form":
            times = self._setting.times
            return closed_form_witness.curve(
                self._energy, self._start, times, quantity, claim=self._claim
            )
        if self._witness == "grid":
            changed = None if self._mutant is None else self._mutant.change(self.path, quantity)
            return changed or grid_witness.curve(self.path, quantity)
        if quantity == "KL":
            return self.particles.relative_entropy(self.path)
        if quantity == "W2":
            return self.particles.w2_to(self.path)
        raise ArgumentError(f"particles measure KL and W2 of a flow, not {quantity}")

    def __iter__(self) -> Iterator[str]:
        return iter(QUANTITIES)

    def __len__(self) -> int:
        return len(QUANTITIES)


def flow_of(claim: str) -> Callable[[Setting, Witness, Mutant | None, Context], Flow]:
    """``measure`` of ``confrontation`` for claims about the flow of one energy."""

    def measure(
        setting: Setting, witness: Witness, mutant: Mutant | None, context: Context
    ) -> Flow:
        return Flow(claim, setting, witness, mutant, context)

    return measure
