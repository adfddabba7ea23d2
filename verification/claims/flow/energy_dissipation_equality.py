"""Energy dissipation equality: KL_s - KL_t = 1/2 int |mu'|^2 + 1/2 int FI along the flow.

Three routes: the drop from the end points of the path, the action from quantile transport between
successive densities, the dissipation from their Fisher information. Closed form: Gaussians in two
dimensions, with Bures distances.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import Energy, JointEnergy
from lvebm_theory.theorem import Relation
from lvebm_theory.theorems.flow import energy_dissipation_equality as statements

from ...claim import Case, Claim, Context, Evidence, NotApplicable, Outcome, Setting, Witness
from ...confront import confront, larger, require
from ...controls.variants import quantities_replaced, sentences, value_multiplied
from ...measurement import Measurement
from ...subjects import adapted, energy_of, start_of

if TYPE_CHECKING:
    from solvers.densities import DensityState

NAME = "energy-dissipation-equality"
VARIANTS = {
    "halves-lost": value_multiplied(2.0, "action plus dissipation without the factors 1/2"),
    "dissipation-lost": quantities_replaced(
        lambda q: {"dissipation": 0.0}, "half the action alone"
    ),
}
HALF_NOISE = "half-noise"
MUTANTS = {HALF_NOISE: "a solver with noise sqrt(h) xi in place of sqrt(2h) xi"}
# of the drop; the false variants are at least 0.5 away, half the noise more
RESOLUTION = 0.01
BEGIN = 0.2  # the equality is confronted over [0.2 t, t]: from time 0 the speed may be singular
PIECES = 64
# short chords cost rounding of W2, long ones accuracy in time: the least width counts
STRIDES = (1, 2, 4, 8)
FLOOR = 1e-9


@dataclass(frozen=True, kw_only=True)
class _Balance:
    """The three members of the equality, and the half-width of all of them together."""

    drop: float
    action: float
    dissipation: float
    half_width: float

    def measurement(self) -> Measurement:
        """The drop, with every width on its side."""
        return Measurement(value=self.drop, numerical=self.half_width)


def _balance(members: FloatArray, widths: FloatArray) -> _Balance:
    """From (drop, action by all pieces, by every second, dissipation likewise).

    The action of n chords is short of the true one by O(1/n^2): Richardson. Dissipation: Simpson.
    """
    drop, action, coarse_action, dissipation, coarse_dissipation = members
    better = action + (action - coarse_action) / 3
    in_time = 0.5 * abs(better - action) / 4 + 0.5 * abs(dissipation - coarse_dissipation)
    return _Balance(
        drop=float(drop),
        action=float(better),
        dissipation=float(dissipation),
        half_width=float(widths @ np.array([1.0, 0.5, 0.5, 0.5, 0.5]) + in_time),
    )


def _members(times: FloatArray, entropy: FloatArray, fisher: FloatArray, w2: Any) -> FloatArray:
    """Drop, action and dissipation on all times, and on every second; w2(i, j) is a distance."""
    from scipy.integrate import simpson

    def action(every: int) -> float:
        at = range(0, len(times), every)
        return float(sum(w2(i, j) ** 2 / (times[j] - times[i]) for i, j in pairwise(at)))

    return np.array(
        [
            entropy[0] - entropy[-1],
            action(1),
            action(2),
            simpson(fisher, x=times),
            simpson(fisher[::2], x=times[::2]),
        ]
    )


def settings() -> list[Setting]:
    """Wells on the line, and Gaussians in two dimensions in closed form."""
    from lvebm_theory.energies.double_well import double_well
    from lvebm_theory.energies.quadratic import quadratic
    from lvebm_theory.energies.tilted_double_well import tilted_double_well

    return [
        Setting(
            name="tilted-double-well",
            subject=tilted_double_well(b=2.0, tilt=0.6),
            start=InitialLaw.normal(1.2, 0.25),
            times=(0.5, 2.0),
            with_controls=True,
        ),
        Setting(
            name="double-well-from-the-barrier",
            subject=double_well(b=1.0),
            start=InitialLaw.normal(0.0, 0.3),
            times=(0.5,),
        ),
        Setting(
            name="gaussians-in-two-dimensions",
            subject=quadratic(precision=np.array([[1.5, -0.6], [-0.6, 1.2]]), mean=np.zeros(2)),
            start=InitialLaw.normal([1.0, 0.5], [0.7, 1.1]),
            times=(0.5, 2.0),
            options={"witness": "closed-form"},
        ),
    ]


def cases(setting: Setting, backend: Literal["numba", "torch"]) -> list[Case]:
    """One EQUAL case per final time."""
    witness: Witness = setting.options.get("witness", "grid")
    planned = [
        Case(quantity="KL", relation=Relation.EQUAL, witness=witness, time=time, part="drop")
        for time in setting.times
    ]
    if setting.with_controls:
        planned += [
            Case(
                quantity="KL",
                relation=Relation.EQUAL,
                witness=witness,
                time=setting.times[0],
                part="drop",
                control=control,
                run=control if control in MUTANTS else "",
            )
            for control in (*VARIANTS, *MUTANTS)
        ]
    return planned


def evaluate(setting: Setting, asked: Sequence[Case], context: Context) -> Evidence:
    """The drop of KL (measured) against half the action plus half the dissipation (bound)."""
    from lvebm_theory.constants import constants_of

    energy = energy_of(setting)
    convexity = constants_of(energy).convexity
    require(statements.theorem, convexity=convexity, smooth=energy.smooth)
    measure = _closed_form if asked[0].witness == "closed-form" else _on_grid
    outcomes: dict[Case, Outcome | NotApplicable] = {}
    found: dict[float, _Balance] = {}
    for case in asked:
        time = float(case.time or 0.0)
        if time not in found:
            found[time] = measure(setting, time, case.run == HALF_NOISE)
        balance = found[time]
        q: dict[str, Any] = {
            "action": balance.action,
            "dissipation": balance.dissipation,
            "convexity": convexity,
            "smooth": energy.smooth,
        }
        bound = statements.theorem.forced_bound(**q)
        outcomes[case] = confront(
            case,
            balance.measurement(),
            statements.theorem,
            q,
            resolution=RESOLUTION * bound + FLOOR,
            variants=VARIANTS,
            perturbed=larger(statements.theorem, q),
        )
    return Evidence(outcomes=outcomes)


def _nodes(time: float) -> FloatArray:
    return np.geomspace(BEGIN * time, time, PIECES + 1)


def _closed_form(setting: Setting, time: float, mutated: bool) -> _Balance:
    from lvebm_theory import gaussian

    from ... import closed_form_witness

    nodes = _nodes(time)
    found, target = closed_form_witness.laws(
        energy_of(setting), start_of(setting), nodes.tolist(), claim=NAME
    )
    members = _members(
        nodes,
        np.array([gaussian.relative_entropy(law, target) for law in found]),
        np.array([gaussian.fisher_information(law, target) for law in found]),
        lambda i, j: gaussian.wasserstein(found[i], found[j]),
    )
    return _balance(members, np.full(5, 1e-12))


def _on_grid(setting: Setting, time: float, mutated: bool) -> _Balance:
    from lvebm_theory import functionals

    from ...controls.flows import with_noise_scaled
    from ...grid_witness import density_path, of_levels, transport_rounding, w2_between

    start, nodes = start_of(setting), _nodes(time)
    path = density_path(energy_of(setting), start, nodes.tolist(), claim=NAME)
    if mutated:
        path = with_noise_scaled(path, start, 0.5**0.5)

    def with_chords(every: int) -> _Balance:
        def on_level(paths: Sequence[Sequence[DensityState]]) -> FloatArray:
            states = paths[0][1::every]  # the first is time 0
            entropy = [
                functionals.relative_entropy(s.masses, s.log_gibbs, s.excess) for s in states
            ]
            fisher = [
                functionals.fisher_information(s.masses, s.log_gibbs, s.grid.centres, s.excess)
                for s in states
            ]
            return _members(
                nodes[::every],
                np.array(entropy),
                np.array(fisher),
                lambda i, j: w2_between(states[i], states[j]),
            )

        balance = _balance(*of_levels([path], on_level))
        # an error e in each chord changes 1/2 sum W2^2/dt by at most e sum W2/dt (Cauchy-Schwarz)
        chords = (1 / np.diff(nodes[::every])).sum()
        rounding = transport_rounding(path) * np.sqrt(balance.action * chords)
        return replace(balance, half_width=balance.half_width + float(rounding))

    return min((with_chords(every) for every in STRIDES), key=lambda b: b.half_width)


def adapt(
    subject: Energy | JointEnergy, start: InitialLaw | None, times: tuple[float, ...]
) -> Setting:
    """Any smooth energy in one dimension, where quantile transport is exact."""
    return adapted(NAME, subject, start, times, largest_dimension=1)


claim = Claim(
    name=NAME,
    title="The drop of KL is half the action plus half the dissipation",
    theorems=(statements.theorem,),
    controls={**sentences(VARIANTS), **MUTANTS},
    settings=settings,
    cases=cases,
    evaluate=evaluate,
    adapt=adapt,
)
