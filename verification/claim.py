"""A claim: a theorem, where it is confronted, how it is measured, and what must refute it.

A claim never measures at import time and imports its solvers inside ``evaluate``, so that
listing claims is instant. One claim per file in ``verification/claims/<subject>/``; the module's
public name is ``claim``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from lvebm_theory.constant import Constant, How
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import Energy, JointEnergy
from lvebm_theory.theorem import Relation, Theorem

from .measurement import Measurement

if TYPE_CHECKING:
    import xarray

Witness = Literal["grid", "numba", "torch", "closed-form", "quadrature"]


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How much may be spent before a case is left UNDECIDED.

    ``particles`` holds for look 0 and grows fourfold with each look.
    """

    name: str
    particles: int
    looks: int
    cells: Mapping[int, int]

    def particles_at(self, look: int) -> int:
        """Particles at this look."""
        return int(self.particles * 4**look)


BUDGETS: Mapping[str, Budget] = {
    "quick": Budget(name="quick", particles=50_000, looks=2, cells={1: 512, 2: 64, 3: 24}),
    "standard": Budget(name="standard", particles=200_000, looks=3, cells={1: 1024, 2: 128, 3: 32}),
    "thorough": Budget(
        name="thorough", particles=1_000_000, looks=4, cells={1: 2048, 2: 256, 3: 48}
    ),
}


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Where a theorem is confronted.

    Parameters
    ----------
    name : str
        Unique within the claim; stored in findings.
    subject : Energy or JointEnergy
    start : InitialLaw or None
    times : tuple of float
        Increasing, positive; empty where time plays no part.
    options : mapping
        What only this claim needs (a step size, a datum, a second start).
    with_controls : bool
        True where the claim's negative controls are to be caught.
    of_user : bool
        True for an energy that the user brought.
    """

    name: str
    subject: Energy | JointEnergy
    start: InitialLaw | None = None
    times: tuple[float, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    with_controls: bool = False
    of_user: bool = False


@dataclass(frozen=True, kw_only=True)
class Case:
    """One planned finding, fixed before anything is measured.

    ``control`` names the negative control that this case is, None for the claim proper.
    ``run`` separates cases that need a simulation of their own (a mutated solver, say): cases of
    equal (witness, run) are measured together. ``part`` tells apart cases that agree otherwise.
    Cases of the claim proper that differ in their witness alone measure the same number, and are
    met with each other. ``upper_bound_of`` names a quantity that this one is never below (the cost
    of a coupling, say): then only that is asked of the two.
    """

    quantity: str
    relation: Relation
    witness: Witness
    time: float | None = None
    control: str | None = None
    run: str = ""
    part: str = ""
    upper_bound_of: str | None = None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a case came to: the measurement, the bound, and the resolution declared for it.

    Parameters
    ----------
    grade : How
        Weakest grade among the constants in the bound.
    perturbed : callable or None
        p -> bound of the statement made false by the fraction p, for the sensitivity ladder.
    note : str
        For the reader of the finding.
    constants : mapping
        The constants that entered the bound, by name, for the provenance of the finding.
    """

    measurement: Measurement
    bound: float
    resolution: float
    grade: How = How.EXACT
    perturbed: Callable[[float], float] | None = None
    note: str = ""
    constants: Mapping[str, Constant] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class NotApplicable:
    """A case to which the theorem does not speak, with the reason."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Outcomes by case, and the curves behind them for report and figures.

    ``dataset`` holds labelled arrays (dimensions with coordinates, ``units`` and ``long_name``
    attributes); it is stored as one group of the claim's netCDF file.
    """

    outcomes: Mapping[Case, Outcome | NotApplicable]
    dataset: xarray.Dataset | None = None


@dataclass(frozen=True, kw_only=True)
class Context:
    """What an evaluation may spend and how sure it has to be.

    Parameters
    ----------
    look : int
        0, 1, ...: each look may spend more.
    alpha : float
        Error probability that one case may spend at this look; intervals are made at
        confidence 1 - alpha.
    seed : int
        Of the whole run; derive streams with ``Noise(seed, stream)``.
    backend, device : particle back end asked for.
    """

    look: int
    alpha: float
    seed: int
    budget: Budget
    backend: Literal["numba", "torch"] = "numba"
    device: str = "cpu"

    @property
    def confidence(self) -> float:
        """1 - alpha."""
        return 1.0 - self.alpha

    @property
    def particles(self) -> int:
        """Particles allowed at this look."""
        return self.budget.particles_at(self.look)


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A theorem made refutable.

    Parameters
    ----------
    name : str
        Kebab-case id.
    theorems : tuple of Theorem
        The first is the headline; EQUAL companions follow.
    controls : mapping
        Name of each negative control -> sentence that says what is false in it. At least two.
    settings : callable
        () -> the catalogue settings. Cheap.
    cases : callable
        (setting, backend) -> every planned finding there, controls included where
        ``setting.with_controls``. Cheap, deterministic, no measuring.
    evaluate : callable
        (setting, cases, context) -> Evidence for these cases (all of one witness and run).
        May raise AssumptionError (NOT_APPLICABLE) and SolverError (SOLVER_FAILED).
    adapt : callable or None
        (subject, start, times) -> Setting for a user's energy; None when the claim speaks only of
        its own settings. Raises AssumptionError when the subject is of the wrong kind.
    agreement : mapping
        quantity -> fraction of its scale within which two witnesses of it must agree, where the
        claim asks for less than the five per cent that hold otherwise.
    """

    name: str
    title: str
    theorems: tuple[Theorem, ...]
    controls: Mapping[str, str]
    settings: Callable[[], Sequence[Setting]]
    cases: Callable[[Setting, Literal["numba", "torch"]], Sequence[Case]]
    evaluate: Callable[[Setting, Sequence[Case], Context], Evidence]
    adapt: (
        Callable[[Energy | JointEnergy, InitialLaw | None, tuple[float, ...]], Setting] | None
    ) = None
    agreement: Mapping[str, float] = field(default_factory=dict)
