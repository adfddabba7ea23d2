"""A claim made of its mathematics: what every claim shares stands here, once.

    cases        statements x witnesses x times, and every control once per witness
    bound        theorem.bound(quantities); quantities that were themselves measured stand in a box,
                 and the bound's spread over the corners of that box widens the measurement
    resolution   a third of the way to the nearest false variant, not below the witness's floor
    dataset      the measured curve beside the bound of the first statement

A claim file then names its statements, its settings, what it measures, the quantities of its
theorems, its false variants and its mutants, and nothing else.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from lvebm_theory.errors import AssumptionError
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import Energy, JointEnergy
from lvebm_theory.theorem import Theorem

from .claim import Case, Claim, Context, Evidence, NotApplicable, Outcome, Setting, Witness
from .confront import confront, require, smaller, third_of_distance
from .controls.mutants import PARTICLES, Mutant
from .controls.variants import FalseVariant
from .curves import Curve, dataset
from .measurement import Measurement

C = TypeVar("C", bound=Mapping[str, Curve])  # what ``measure`` returns
Backend = Literal["numba", "torch"]
Sharpened = Callable[[Theorem, Mapping[str, Any]], Callable[[float], float]]
Accepts = Callable[[Energy | JointEnergy, InitialLaw | None, tuple[float, ...]], Setting]


@dataclass(frozen=True, kw_only=True)
class Says:
    """One statement: a theorem about one measured quantity.

    Parameters
    ----------
    quantity : str
        Key of the measured curve.
    where : callable or None
        Setting -> whether it is asked there; everywhere if None.
    """

    theorem: Theorem
    quantity: str
    part: str = ""
    where: Callable[[Setting], bool] | None = None

    def asked_at(self, setting: Setting) -> bool:
        """Whether the statement is confronted at a setting."""
        return self.where is None or self.where(setting)

    def meets(self, case: Case) -> bool:
        """Whether a case is of this statement."""
        own = (self.quantity, self.part, self.theorem.relation)
        return own == (case.quantity, case.part, case.relation)


def confrontation(
    *,
    name: str,
    title: str,
    says: Sequence[Says],
    settings: Callable[[], Sequence[Setting]],
    given: Callable[[Setting], Mapping[str, Any]],
    measure: Callable[[Setting, Witness, Mutant | None, Context], C],
    quantities: Callable[[Setting, C, float], Mapping[str, Any]],
    variants: Mapping[str, FalseVariant],
    mutants: Sequence[Mutant] = (),
    narrow: Mapping[str, FalseVariant] | None = None,
    floors: Mapping[str, float],
    unit: Callable[[Setting], float] = lambda _: 1.0,
    witnesses: Callable[[Setting], Sequence[str]] = lambda _: ("grid",),
    sharpened: Sharpened = smaller,
    accepts: Accepts | None = None,
) -> Claim:
    """The claim that confronts these statements.

    Parameters
    ----------
    given : setting -> the quantities known before anything is measured
        Constants, flags, the start. Assumptions about them are asked first; it may raise
        AssumptionError itself.
    measure : (setting, witness, mutant, context) -> curves by quantity
    quantities : (setting, curves, time) -> what else the formulas take
        A ``Measurement`` among them is one that has a width; such quantities are never negative.
    variants : false theorems, which set the resolution
    narrow : false theorems that do not: forced ones, and those of some settings only
    floors : witness (or "particles") -> the smallest resolution, in ``unit``
    witnesses : setting -> those that measure there; the setting's option ``witnesses`` goes first
    sharpened : (theorem, quantities) -> the statement made false by a fraction, for sensitivity

    Notes
    -----
    Options of a setting that are read here: ``witnesses``; ``controls``, the names of those that
    are planned there (all of them); ``control_times``, when (the last time).
    """
    solvers = {mutant.name: mutant for mutant in mutants}
    wrong = {**variants, **(narrow or {})}

    def cases(setting: Setting, backend: Backend) -> list[Case]:
        named = setting.options.get("witnesses", witnesses(setting))
        known: list[Witness] = [backend if w == PARTICLES else w for w in named]
        here = [s for s in says if s.asked_at(setting)]

        def case(said: Says, witness: Witness, time: float, control: str = "") -> Case:
            return Case(
                quantity=said.quantity,
                part=said.part,
                relation=said.theorem.relation,
                witness=witness,
                time=time,
                control=control or None,
                run=control if control in solvers else "",
            )

        found = [case(s, w, t) for w in known for s in here for t in setting.times]
        if setting.with_controls:
            last = setting.times[-1]
            for control in setting.options.get("controls", (*wrong, *solvers)):
                mutant = solvers.get(control)
                of = mutant and (backend if mutant.of == PARTICLES else mutant.of)
                at = (last,) if mutant else setting.options.get("control_times", (last,))
                found += [
                    case(s, w, t, control)
                    for w in known
                    if of in (None, w)
                    for s in here
                    for t in at
                ]
        return found

    def evaluate(setting: Setting, asked: Sequence[Case], context: Context) -> Evidence:
        witness, run = asked[0].witness, asked[0].run
        before = dict(given(setting))
        require(says[0].theorem, **before)
        curves = measure(setting, witness, solvers.get(run), context)
        floor = floors.get(witness, floors.get(PARTICLES, 0.0)) * unit(setting)

        def everything(time: float) -> dict[str, Any]:
            return {**before, **quantities(setting, curves, time)}

        def outcome(case: Case) -> Outcome | NotApplicable:
            said = next(s for s in says if s.meets(case))
            time = float(case.time or 0.0)
            try:
                plain, width = propagated(said.theorem, everything(time))
                true = said.theorem.forced_bound(**plain)
                nearest = [variant.bound(said.theorem, plain) for variant in variants.values()]
                return confront(
                    case,
                    curves[said.quantity].at(time, extra_numerical=width),
                    said.theorem,
                    plain,
                    resolution=max(third_of_distance(true, *nearest), floor),
                    variants=wrong,
                    perturbed=sharpened(said.theorem, plain),
                )
            except AssumptionError as error:
                return NotApplicable(reason="; ".join(error.broken))

        first = says[0]

        def bound(time: float) -> float:
            return first.theorem.forced_bound(**propagated(first.theorem, everything(time))[0])

        return Evidence(
            outcomes={case: outcome(case) for case in asked},
            dataset=dataset(
                curves[first.quantity],
                {name: bound},
                setting=setting.name,
                witness=witness,
                claim=name,
            ),
        )

    sentences = {k: v.sentence for k, v in wrong.items()}
    return Claim(
        name=name,
        title=title,
        theorems=tuple(dict.fromkeys(s.theorem for s in says)),
        controls={**sentences, **{k: m.sentence for k, m in solvers.items()}},
        settings=settings,
        cases=cases,
        evaluate=evaluate,
        adapt=accepts,
    )


def propagated(theorem: Theorem, quantities: Mapping[str, Any]) -> tuple[dict[str, Any], float]:
    """Measured quantities as numbers, and how far their widths move the bound.

    The largest |bound(corner) - bound(centre)| over the corners of the box of intervals, cut at
    zero: exact where the formula is monotone in each quantity.
    """
    plain = {k: q.value if isinstance(q, Measurement) else q for k, q in quantities.items()}
    ends = {
        k: (max(q.value - q.half_width, 0.0), q.value + q.half_width)
        for k, q in quantities.items()
        if isinstance(q, Measurement) and q.half_width > 0
    }
    if not ends:
        return plain, 0.0
    centre = theorem.forced_bound(**plain)
    corners = (dict(zip(ends, at, strict=True)) for at in itertools.product(*ends.values()))
    return plain, max(abs(theorem.forced_bound(**{**plain, **c}) - centre) for c in corners)
