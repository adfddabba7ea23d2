"""Decay statements: a curve along time against a bound along time, and its equality case.

Shared by the claims that say "this quantity falls at least this fast": the upper bound, the EQUAL
form at settings that attain it, false variants of both, and mutated solvers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lvebm_theory.errors import AssumptionError
from lvebm_theory.theorem import Relation, Theorem

from .claim import Case, NotApplicable, Outcome, Setting, Witness
from .confront import confront, faster, third_of_distance
from .controls.variants import FalseVariant
from .curves import Curve


@dataclass(frozen=True, kw_only=True)
class DecayStatement:
    """An upper bound along time with everything needed to confront it.

    Parameters
    ----------
    upper : Theorem with relation AT_MOST
    equal : Theorem or None
        What EQUAL cases meet.
    quantities : callable
        time -> the quantities of both theorems.
    variants : mapping
        False variants by control name; the nearest of them sets the resolution, see ``floor``.
    forced : mapping
        Variants that ignore a broken assumption; they do not enter the resolution.
    floor : float
        Smallest resolution: a third or less of what the witness's own nearest mutated solver
        leaves, for late times when the bound and all its false variants have become zero.
    relative_width : float
        Relative half-width that the bound inherits from a measured initial value.
    """

    upper: Theorem
    equal: Theorem | None
    quantities: Callable[[float], Mapping[str, Any]]
    variants: Mapping[str, FalseVariant]
    floor: float
    relative_width: float = 0.0
    forced: Mapping[str, FalseVariant] = field(default_factory=dict)

    def bound(self, time: float) -> float:
        """The right-hand side, assumptions ignored: for curves and figures."""
        return self.upper.forced_bound(**self.quantities(time))

    def resolution(self, time: float) -> float:
        """A third of the way to the nearest false variant, but not below the floor."""
        q = self.quantities(time)
        true = self.upper.forced_bound(**q)
        wrong = [variant.bound(self.upper, q) for variant in self.variants.values()]
        return max(third_of_distance(true, *wrong), self.floor)

    def outcomes(self, cases: Sequence[Case], curve: Curve) -> dict[Case, Outcome | NotApplicable]:
        """One outcome per case, from one curve.

        Where the theorem does not apply, only the forced controls are confronted.
        """
        found: dict[Case, Outcome | NotApplicable] = {}
        for case in cases:
            if case.time is None:
                raise TypeError(f"a decay case needs a time: {case}")
            theorem = self.equal if case.relation is Relation.EQUAL else self.upper
            if theorem is None:
                raise TypeError(f"{self.upper.name} has no equality form for {case}")
            q = self.quantities(case.time)
            inherited = self.relative_width * abs(theorem.forced_bound(**q))
            try:
                found[case] = confront(
                    case,
                    curve.at(case.time, extra_numerical=inherited),
                    theorem,
                    q,
                    resolution=self.resolution(case.time),
                    variants={**self.variants, **self.forced},
                    perturbed=faster(theorem, q),
                )
            except AssumptionError as error:
                found[case] = NotApplicable(reason="; ".join(error.broken))
        return found


def decay_cases(
    setting: Setting,
    *,
    quantity: str,
    witnesses: Sequence[Witness],
    variants: Iterable[str],
    mutants: Mapping[str, Witness],
    part: str = "",
) -> list[Case]:
    """Every planned finding of a decay claim at one setting.

    Per witness: AT_MOST at every time, and EQUAL too where the setting's option ``equality`` is
    set. Where the setting carries controls: every false variant at the times of the option
    ``control_times`` (default: all), and every mutated solver at the last time, in a run of its
    own.

    Parameters
    ----------
    variants : names of the false variants
    mutants : name of a mutated solver -> the witness that it mutates
    """
    relations = [Relation.AT_MOST]
    if setting.options.get("equality", False):
        relations.append(Relation.EQUAL)
    cases = [
        Case(quantity=quantity, relation=relation, witness=witness, time=time, part=part)
        for witness in witnesses
        for relation in relations
        for time in setting.times
    ]
    if not setting.with_controls:
        return cases
    cases += [
        Case(
            quantity=quantity,
            relation=relation,
            witness=witness,
            time=time,
            control=variant,
            part=part,
        )
        for witness in witnesses
        for relation in relations
        for variant in variants
        for time in setting.options.get("control_times", setting.times)
    ]
    cases += [
        Case(
            quantity=quantity,
            relation=relation,
            witness=witness,
            time=setting.times[-1],
            control=mutant,
            run=mutant,
            part=part,
        )
        for mutant, witness in mutants.items()
        if witness in witnesses
        for relation in relations
    ]
    return cases
