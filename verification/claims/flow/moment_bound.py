"""Existence and second moments under dissipativity <grad U, x> >= a|x|^2 - c.

    E|X_t|^2 <= e^{-2at} E|X_0|^2 + ((c + d)/a)(1 - e^{-2at});  P(sup|X| >= R) <= .../R^2.

Grid, particles, and closed form for quadratics in ten dimensions. Companion EQUAL: U = a|x|^2/2.
Existence is confronted through the probability of far excursions, which no explosion may raise
(a loose bound: Markov's inequality).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import Energy, JointEnergy
from lvebm_theory.theorem import Relation, Theorem
from lvebm_theory.theorems.dissipativity import moment_bound as statements
from lvebm_theory.theorems.dissipativity import non_explosion

from ...claim import Case, Claim, Context, Evidence, NotApplicable, Outcome, Setting, Witness
from ...confront import confront, require, smaller, third_of_distance
from ...controls.variants import quantities_replaced, rate_multiplied, sentences
from ...curves import Curve, dataset
from ...subjects import adapted, energy_of, start_of

if TYPE_CHECKING:
    from solvers.particles.scheme import Scheme

    from ...particle_witness import Snapshots

NAME = "moment-bound"
VARIANTS = {
    "dimension-lost": quantities_replaced(
        lambda q: {"dim": 0}, "c/a in place of (c + d)/a: the noise forgotten"
    ),
    "rate-doubled": rate_multiplied(2.0, "the rate 2a replaced by 4a"),
}
DOUBLE_NOISE = "double-noise"
MUTANTS = {DOUBLE_NOISE: "a solver with noise sqrt(4h) xi in place of sqrt(2h) xi"}
EXCURSION = "excursion"
# of the bound, for late times when the doubled rate has become the truth and what is left to
# refute is a wrong stationary law: twice the noise doubles the second moment of a quadratic
SHARE = 0.05


def settings() -> list[Setting]:
    """Quadratics on the line and in ten dimensions, wells, and a joint energy."""
    from lvebm_theory.energies.bottleneck import bottleneck
    from lvebm_theory.energies.double_well import double_well
    from lvebm_theory.energies.quadratic import quadratic

    return [
        Setting(
            name="quadratic",
            subject=quadratic(precision=1.0),
            start=InitialLaw.normal(2.0, 0.5),
            times=(0.2, 0.5, 2.0),
            options={"equality": True},
            with_controls=True,
        ),
        Setting(
            name="quadratic-in-ten-dimensions",
            subject=quadratic(precision=1.0, mean=np.zeros(10)),
            start=InitialLaw.normal(np.full(10, 0.5), 0.7),
            times=(0.5, 2.0),
            options={"equality": True, "witnesses": ("closed-form", "particles")},
        ),
        Setting(
            name="double-well",
            subject=double_well(b=1.0),
            start=InitialLaw.normal(1.5, 0.5),
            times=(0.2, 1.0, 5.0),
            options={"excursions": True, "one_in": 4},
        ),
        Setting(
            name="bottleneck-joint",
            subject=bottleneck(b=1.0, a=1.0),
            start=InitialLaw.normal([1.0, 0.5], [0.4, 0.6]),
            times=(0.2, 1.0),
            options={"witnesses": ("grid",)},
        ),
    ]


def cases(setting: Setting, backend: Literal["numba", "torch"]) -> list[Case]:
    """Second moments by every witness of the setting; excursions by particles on the line."""
    named = setting.options.get("witnesses", ("grid", "particles"))
    witnesses: list[Witness] = [backend if name == "particles" else name for name in named]
    relations = [Relation.AT_MOST]
    if setting.options.get("equality", False):
        relations.append(Relation.EQUAL)
    planned = [
        Case(quantity="moment", relation=relation, witness=witness, time=time)
        for witness in witnesses
        for relation in relations
        for time in setting.times
    ]
    late = setting.times[-1]
    if setting.options.get("excursions", False) and backend in witnesses:
        planned.append(
            Case(
                quantity="probability",
                relation=Relation.AT_MOST,
                witness=backend,
                time=late,
                part=EXCURSION,
                run=EXCURSION,
            )
        )
    if setting.with_controls:
        planned += [
            Case(
                quantity="moment",
                relation=relation,
                witness=witness,
                time=setting.times[1],
                control=control,
                run=control if control in MUTANTS else "",
            )
            for witness in witnesses
            for relation in relations
            for control in (*VARIANTS, *(MUTANTS if witness == backend else ()))
        ]
    return planned


def evaluate(setting: Setting, asked: Sequence[Case], context: Context) -> Evidence:
    """E|X_t|^2, or the probability of an excursion, against the bound."""
    from lvebm_theory.constants import constants_of

    energy, start = energy_of(setting), start_of(setting)
    constants = constants_of(energy)
    require(statements.theorem, dissipativity=constants.dissipativity)
    centre = np.array(constants.dissipativity_centre)
    displaced = start.mean - centre
    second_moment = float(np.trace(start.covariance) + displaced @ displaced)
    common: dict[str, Any] = {
        "dissipativity": constants.dissipativity,
        "dissipativity_offset": constants.dissipativity_offset,
        "dim": energy.dim,
        "initial_second_moment": second_moment,
        "quadratic": setting.options.get("equality", False),
    }
    # far enough that the bound is one half at the last time
    growth = 2.0 * (constants.dissipativity_offset + energy.dim) * setting.times[-1]
    common["radius"] = (2.0 * (second_moment + growth)) ** 0.5
    witness, run = asked[0].witness, asked[0].run
    if witness == "grid":
        curve = _on_grid(setting, centre)
    elif witness == "closed-form":
        curve = _closed_form(setting, centre)
    else:
        curve = _by_particles(setting, asked, context, run, common["radius"], centre)

    def quantities(time: float) -> dict[str, Any]:
        return {**common, "time": time}

    outcomes: dict[Case, Outcome | NotApplicable] = {}
    for case in asked:
        time = float(case.time or 0.0)
        theorem = _theorem_of(case)
        q = quantities(time)
        bound = theorem.forced_bound(**q)
        wrong = [variant.bound(theorem, q) for variant in VARIANTS.values()]
        outcomes[case] = confront(
            case,
            curve.at(time),
            theorem,
            q,
            resolution=max(third_of_distance(bound, *wrong), SHARE * bound),
            variants=VARIANTS,
            perturbed=smaller(theorem, q),
        )
    return Evidence(
        outcomes=outcomes,
        dataset=dataset(
            curve,
            {NAME: lambda time: _theorem_of(asked[0]).forced_bound(**quantities(time))},
            setting=setting.name,
            witness=witness,
            claim=NAME,
        ),
    )


def _theorem_of(case: Case) -> Theorem:
    if case.part == EXCURSION:
        return non_explosion.theorem
    return statements.quadratic if case.relation is Relation.EQUAL else statements.theorem


def _on_grid(setting: Setting, centre: FloatArray) -> Curve:
    from ...grid_witness import density_path

    path = density_path(energy_of(setting), start_of(setting), setting.times, claim=NAME)
    values, widths = path.expectation(
        lambda *axes: sum((x - z) ** 2 for x, z in zip(axes, centre, strict=True))
    )
    return Curve(quantity="moment", times=path.times, values=values, numerical=widths)


def _closed_form(setting: Setting, centre: FloatArray) -> Curve:
    from ... import closed_form_witness

    found, _ = closed_form_witness.laws(
        energy_of(setting), start_of(setting), setting.times, claim=NAME
    )
    values = np.array(
        [np.trace(law.covariance) + np.sum((law.mean - centre) ** 2) for law in found]
    )
    return Curve(
        quantity="moment",
        times=np.array(setting.times),
        values=values,
        numerical=1e-12 * values,
    )


def _by_particles(
    setting: Setting,
    asked: Sequence[Case],
    context: Context,
    run: str,
    radius: float,
    centre: FloatArray,
) -> Curve:

    from ...controls.schemes import with_noise_scaled
    from ...particle_witness import enough, snapshots, step_for

    energy, start = energy_of(setting), start_of(setting)
    times = sorted({float(case.time or 0.0) for case in asked})
    mutate: Mapping[str, Callable[[Scheme], Scheme] | None] = {
        "": None,
        DOUBLE_NOISE: lambda scheme: with_noise_scaled(scheme, 2.0**0.5),
        EXCURSION: partial(farthest, centre=float(centre[0])),
    }
    # an equality decides closely; a bound is farther off
    share = energy.dim if setting.options.get("equality", False) else max(energy.dim, 2)
    particles = snapshots(
        energy,
        start,
        times,
        context,
        stream=f"{NAME}/{setting.name}/{run}",
        step_size=step_for(energy, start, times),
        mutate=mutate[run],
        particles=max(min(context.particles // share, enough(setting, context)), 1000),
        memory=run == EXCURSION,
        companion=run != DOUBLE_NOISE,
    )
    if run != EXCURSION:
        return particles.mean(lambda x: ((x - centre) ** 2).sum(axis=1), "moment")
    return _excursions(particles, radius + float(centre[0]))


def _excursions(particles: Snapshots, farthest: float) -> Curve:
    """P(z + max |X - z| >= z + R) at each time, by an interval that holds for every n (Bernstein).

    Between two steps the path may go farther: a bias of order sqrt(h), of which two step sizes
    in the ratio two show the part sqrt(2) - 1.
    """
    from ...estimate.averages import bounded_mean

    shown = np.sqrt(2.0) - 1.0
    rows = []
    for here, there in zip(particles.fine, particles.coarse, strict=True):
        beyond, beyond_coarse = ((top[:, 0] >= farthest).astype(float) for top in (here, there))
        estimate = bounded_mean(beyond, 0.0, 1.0, 1.0 - particles.confidence)
        gap = bounded_mean(beyond - beyond_coarse, -1.0, 1.0, 1.0 - particles.confidence)
        rows.append(
            (estimate.value, estimate.statistical, (abs(gap.value) + gap.statistical) / shown)
        )
    values, statistical, numerical = np.array(rows).T
    return Curve(
        quantity="probability",
        times=particles.times,
        values=values,
        numerical=numerical,
        statistical=statistical,
        confidence=particles.confidence,
    )


def farthest(scheme: Scheme, centre: float = 0.0) -> Scheme:
    """On the line: z + max |X - z| so far as position, X itself kept in the state.

    Engines start from the position as it was drawn, which is why z stays in it.
    """
    from solvers.particles.language import maximum

    def init(x: Any, energy: Any) -> dict[str, Any]:
        return {"x": centre + abs(x - centre), "path": x}

    def step(
        state: dict[str, Any], energy: Any, h: Any, draw: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        moved = scheme.step({"x": state["path"]}, energy, h, draw)[0]["x"]
        far = maximum(abs(state["x"] - centre), abs(moved - centre))
        return {"x": centre + far, "path": moved}, {}

    return replace(scheme, name=f"{scheme.name}, farthest", init=init, step=step)


def adapt(
    subject: Energy | JointEnergy, start: InitialLaw | None, times: tuple[float, ...]
) -> Setting:
    """Any smooth energy in one or two dimensions; excursions on the line."""
    setting = adapted(NAME, subject, start, times)
    return replace(setting, options={"excursions": energy_of(setting).dim == 1})


claim = Claim(
    name=NAME,
    title="Existence and second moments under dissipativity",
    theorems=(statements.theorem, statements.quadratic, non_explosion.theorem),
    controls={**sentences(VARIANTS), **MUTANTS},
    settings=settings,
    cases=cases,
    evaluate=evaluate,
    adapt=adapt,
)
