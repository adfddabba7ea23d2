"""When persistent learning of a location oscillates: eta = 1/4, and its frequency beyond.

Threshold: bisection on eta for complex eigenvalues of the linearised mean-field equations.
Frequency: from those eigenvalues, and from the zeros of theta - m along the nonlinear flow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from lvebm_theory.initial import InitialLaw
from lvebm_theory.theorem import Relation, Theorem
from lvebm_theory.theorems.learning import oscillation as statements

from ...claim import Case, Claim, Context, Evidence, NotApplicable, Outcome, Setting
from ...confront import confront, larger
from ...controls.variants import FalseVariant, sentences, value_multiplied
from ...measurement import Measurement
from ..latent.joint_subjects import as_joint

NAME = "oscillation"
THRESHOLD, EIGENVALUE, ZEROS = "threshold", "frequency, eigenvalues", "frequency, zeros of theta"
THEOREMS: dict[str, Theorem] = {
    THRESHOLD: statements.theorem,
    EIGENVALUE: statements.frequency,
    ZEROS: statements.frequency,
}
VARIANTS = {
    "undamped": FalseVariant(
        sentence="the frequency sqrt(1/eta) of the oscillator without its damping",
        bound=lambda theorem, q: q["eta"] ** -0.5,
    ),
    "threshold-doubled": value_multiplied(2.0, "oscillation beyond eta = 1/2 only"),
}
MUTANTS = {"slow-pool": "a pool at four fifths of its speed"}
SLOWER = 1.25
# an eigenvalue counts as complex beyond this part of its size: 2 sqrt(eta - 1/4) there is 1e-5
_COMPLEX = 1e-5


def settings() -> list[Setting]:
    """One stiffness at the threshold and two ratios beyond it, one just beyond."""
    from lvebm_theory.energies.location_family import location_family

    stiffness = 1.7
    energy = location_family(theta_1=1.0, theta_2=0.0, stiffness=stiffness, coupling=0.0)
    base = {"stiffness": stiffness, "data": (0.7, -0.3)}
    start = InitialLaw.normal([0.4, 0.0], [0.6, 0.8])
    return [
        Setting(
            name="far-beyond",
            subject=energy,
            start=start,
            options={**base, "eta": 2.0},
            with_controls=True,
        ),
        Setting(name="just-beyond", subject=energy, start=start, options={**base, "eta": 0.4}),
    ]


def cases(setting: Setting, backend: Literal["numba", "torch"]) -> list[Case]:
    """Threshold and both readings of the frequency; false ones where asked."""
    parts = [EIGENVALUE, ZEROS, *([THRESHOLD] if setting.with_controls else [])]
    found = [_case(part) for part in parts]
    if setting.with_controls:
        found += [_case(ZEROS, "undamped"), _case(THRESHOLD, "threshold-doubled")]
        found += [_case(part, "slow-pool", "slow-pool") for part in (THRESHOLD, ZEROS)]
    return found


def _case(part: str, control: str | None = None, run: str = "") -> Case:
    return Case(
        quantity="eta" if part == THRESHOLD else "frequency",
        part=part,
        relation=Relation.EQUAL,
        witness="closed-form",
        control=control,
        run=run,
    )


def _rates(setting: Setting, eta: float) -> Any:
    """Eigenvalues of the linearised flow, in the clock of the pool."""
    from solvers.learning.finite_pools_flow import flow_rates

    data = setting.options["data"]
    return flow_rates(
        as_joint(NAME, setting.subject),
        np.array(data)[:, None],
        theta=[float(np.mean(data))],
        eta=eta,
        learned=("theta_1",),
    )


def _threshold(setting: Setting, slower: float) -> Measurement:
    """The least eta with complex eigenvalues, bisected to 1e-7."""
    low, high = 0.01, 2.0
    while high - low > 1e-7:
        middle = (low + high) / 2.0
        rates = _rates(setting, slower * middle)
        low, high = (
            (low, middle)
            if np.abs(rates.imag).max() > _COMPLEX * np.abs(rates).max()
            else (middle, high)
        )
    return Measurement(value=(low + high) / 2.0, numerical=1e-6)


def _zeros(setting: Setting, slower: float) -> Measurement:
    """pi over the distance of neighbouring zeros of theta - m, in the clock eta r t."""
    from solvers.learning.closed_form import solve_closed_form

    options, data = setting.options, setting.options["data"]
    clock = options["eta"] * options["stiffness"]
    end = 2.6 * math.pi / statements.frequency.forced_bound(eta=options["eta"])
    distances = []
    for points in (301, 601):
        tau = np.linspace(0.0, end, points)
        assert setting.start is not None
        path = solve_closed_form(
            as_joint(NAME, setting.subject),
            np.array(data)[:, None],
            latent_start=InitialLaw.normal(0.0, 1.0),
            pool_start=setting.start,
            eta=slower * options["eta"],
            times=tau / (slower * clock),
            learned=("theta_1",),
            tolerance=1e-10,
        )
        theta = path.theta[:, 0] - float(np.mean(data))
        k = np.flatnonzero(theta[1:] * theta[:-1] < 0)[:2]
        crossings = tau[k] + (tau[1] - tau[0]) * theta[k] / (theta[k] - theta[k + 1])
        distances.append(math.pi / float(crossings[1] - crossings[0]))
    # a chord misses the zero by a quarter less on half the spacing
    width = 2.0 * abs(distances[1] - distances[0]) + 1e-9 * distances[1]
    return Measurement(value=distances[1], numerical=width)


def _measure(setting: Setting, part: str, slower: float) -> Measurement:
    if part == THRESHOLD:
        return _threshold(setting, slower)
    if part == ZEROS:
        return _zeros(setting, slower)
    eta, stiffness = setting.options["eta"], setting.options["stiffness"]
    imaginary = float(np.abs(_rates(setting, slower * eta).imag).max())
    value = imaginary / (slower * eta * stiffness)
    return Measurement(value=value, numerical=1e-9 * value)


def evaluate(setting: Setting, asked: Sequence[Case], context: Context) -> Evidence:
    """Threshold and frequency of the mean-field learner."""
    eta = setting.options["eta"]
    slower = SLOWER if asked[0].run in MUTANTS else 1.0
    # cases that differ in their control alone share a measurement
    measured = {part: _measure(setting, part, slower) for part in {c.part for c in asked}}
    outcomes: dict[Case, Outcome | NotApplicable] = {}
    for case in asked:
        theorem = THEOREMS[case.part]
        quantities = {"eta": eta, "gaussian_location": True}
        outcomes[case] = confront(
            case,
            measured[case.part],
            theorem,
            quantities,
            resolution=2e-3 * theorem.forced_bound(**quantities),
            variants=VARIANTS,
            perturbed=larger(theorem, quantities),
        )
    return Evidence(outcomes=outcomes)


claim = Claim(
    name=NAME,
    title="Persistent learning of a location oscillates beyond eta = 1/4",
    theorems=(statements.theorem, statements.frequency),
    controls={**sentences(VARIANTS), **MUTANTS},
    settings=settings,
    cases=cases,
    evaluate=evaluate,
)
