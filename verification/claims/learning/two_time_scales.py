"""The learner beside the averaged dynamics theta' = eta grad L: an error proportional to eta.

Closed form: mean-field equations of Gaussian families against the averaged equation, both
integrated; the supremum over time is refined around its largest recorded value. The limit of
sup/eta is extrapolated over three ratios, its half-width from another three.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import JointEnergy
from lvebm_theory.theorem import Relation, Theorem
from lvebm_theory.theorems.learning import two_time_scales as statements
from lvebm_theory.theorems.learning.gradient_error_relative_entropy import direction_error

from ...claim import Case, Claim, Context, Evidence, NotApplicable, Outcome, Setting
from ...confront import confront, larger, smaller
from ...controls.variants import FalseVariant, sentences
from ...measurement import Measurement
from ..latent.joint_subjects import as_joint
from .learning_constants import learning_constants

NAME = "two-time-scales"
TOLERANCE = 1e-9
BOUND, EXACT, CONSTANT, ORDER = "bound", "exact", "constant", "order"
THEOREMS: dict[str, Theorem] = {
    BOUND: statements.theorem,
    EXACT: statements.gaussian,
    CONSTANT: statements.constants,
    ORDER: statements.order,
}
VARIANTS = {
    "other-preparation": FalseVariant(
        sentence="the constant of the other preparation of the pool",
        bound=lambda theorem, q: theorem.forced_bound(**{**q, "slope": -1.0 - q["slope"]}),
    ),
    "averaged-dynamics": FalseVariant(
        sentence="the learner taken for the averaged dynamics",
        bound=lambda theorem, q: math.exp(-q["scaled_time"]),
    ),
    "half-order": FalseVariant(
        sentence="an error of order sqrt(eta)", bound=lambda theorem, q: 0.5
    ),
}
MUTANTS = {"slow-pool": "a pool at half its speed"}
_CONTROLLED = {"other-preparation": CONSTANT, "averaged-dynamics": EXACT, "half-order": ORDER}


def settings() -> list[Setting]:
    """A pool at theta, a pool at the data, and a family with latents."""
    from lvebm_theory.energies.gaussian_location import gaussian_location
    from lvebm_theory.energies.location_family import location_family

    data, stiffness = (1.1, 0.4, -0.6), 1.4
    mean, sd = sum(data) / len(data), stiffness**-0.5
    visible = location_family(theta_1=mean + 1.0, theta_2=0.0, stiffness=stiffness, coupling=0.0)
    base: dict[str, Any] = {
        "data": data,
        "learned": ("theta_1",),
        "eta": 0.05,
        "stiffness": stiffness,
        "conditional_start": InitialLaw.normal(0.0, sd),
    }
    return [
        Setting(
            name="well-prepared",
            subject=visible,
            start=InitialLaw.normal([mean + 1.0, 0.0], [sd, sd]),
            times=(2.0, 15.0, 30.0),
            options={
                **base,
                "slope": -1.0,
                "ratios": (0.16, 0.08, 0.04, 0.02),
                "reach": (0.3, 1.6),
            },
            with_controls=True,
        ),
        Setting(
            name="ill-prepared",
            subject=visible,
            start=InitialLaw.normal([mean, 0.0], [sd, sd]),
            times=(2.0, 15.0, 30.0),
            options={
                **base,
                "slope": 0.0,
                "ratios": (0.016, 0.008, 0.004, 0.002),
                "reach": (0.0, 0.15),
            },
        ),
        Setting(
            name="latents",
            subject=gaussian_location(theta=mean + 1.0, noise=1.0),
            start=InitialLaw.normal([mean + 1.0, mean + 1.0], [2.0**0.5, 1.0]),
            times=(10.0, 40.0),
            options={
                **base,
                "learned": ("theta",),
                "eta": 0.03,
                "conditional_start": InitialLaw.normal(mean + 0.5, 2.0**-0.5),
                "ratios": (0.12, 0.06, 0.03),
                "reach": (0.3, 1.6),
                "stiffness": 0.5,
            },
        ),
    ]


def cases(setting: Setting, backend: Literal["numba", "torch"]) -> list[Case]:
    """Bound and exact solution at every time; the constant and the order once."""
    exact = "slope" in setting.options
    found = [
        _case(part, time)
        for part in (BOUND, EXACT)
        if part == BOUND or exact
        for time in setting.times
    ]
    found += [_case(ORDER, None), *([_case(CONSTANT, None)] if exact else [])]
    if setting.with_controls:
        middle = setting.times[1]
        found += [
            _case(part, middle if part == EXACT else None, control=control)
            for control, part in _CONTROLLED.items()
        ]
        found += [_case(EXACT, middle, control=name, run=name) for name in MUTANTS]
    return found


def _case(part: str, time: float | None, control: str | None = None, run: str = "") -> Case:
    return Case(
        quantity="theta",
        part=part,
        relation=THEOREMS[part].relation,
        witness="closed-form",
        time=time,
        control=control,
        run=run,
    )


def _learner(setting: Setting, eta: float, times: Sequence[float] | FloatArray) -> Any:
    from solvers.learning.closed_form import solve_closed_form

    assert setting.start is not None
    return solve_closed_form(
        as_joint(NAME, setting.subject),
        np.array(setting.options["data"])[:, None],
        latent_start=setting.options["conditional_start"],
        pool_start=setting.start,
        eta=eta,
        times=times,
        learned=setting.options["learned"],
        tolerance=TOLERANCE,
    )


def _averaged(setting: Setting, eta: float, times: Sequence[float] | FloatArray) -> FloatArray:
    from solvers.learning.closed_form import averaged_flow

    path = averaged_flow(
        as_joint(NAME, setting.subject),
        np.array(setting.options["data"])[:, None],
        eta=eta,
        times=times,
        learned=setting.options["learned"],
        tolerance=TOLERANCE,
    )
    return np.asarray(path[:, 0])


def _largest(setting: Setting, eta: float) -> float:
    """sup over time of |theta - averaged theta|, by a parabola through the largest three."""
    low, high = setting.options["reach"]
    times = np.linspace(low, high, 121) / (eta * setting.options["stiffness"])
    distance = np.abs(_learner(setting, eta, times).theta[:, 0] - _averaged(setting, eta, times))
    k = int(np.clip(np.argmax(distance), 1, len(times) - 2))
    a, b, c = distance[k - 1 : k + 2]
    return float(b + (a - c) ** 2 / (8.0 * (2.0 * b - a - c)))


def _limits(setting: Setting) -> tuple[Measurement, Measurement]:
    """lim sup/(eta |theta_0 - m|) and the order at eta -> 0, extrapolated.

    With three ratios the constant is left unextrapolated: only the order is asked there.
    """
    ratios = np.array(setting.options["ratios"])
    sizes = np.array([_largest(setting, eta) for eta in ratios])
    distance = abs(_start(setting) - float(np.mean(setting.options["data"])))
    scaled = sizes / (ratios * distance)
    # 1, eta and eta log eta: the fast layer of an ill prepared start leaves the logarithm
    basis = np.stack([np.ones_like(ratios), ratios, ratios * np.log(ratios)], axis=1)
    fits = [
        float(np.linalg.solve(basis[i : i + 3], scaled[i : i + 3])[0])
        for i in range(len(ratios) - 2)
    ]
    orders = np.diff(np.log(sizes)) / np.diff(np.log(ratios))
    order = 2.0 * orders[-1] - orders[-2]
    return (
        Measurement(value=fits[-1], numerical=2.0 * abs(fits[-1] - fits[0]) + 1e-6),
        Measurement(value=float(order), numerical=2.0 * abs(float(order - orders[-1])) + 1e-6),
    )


def _start(setting: Setting) -> float:
    parameters = as_joint(NAME, setting.subject).parameters
    return float(parameters[setting.options["learned"][0]])


def evaluate(setting: Setting, asked: Sequence[Case], context: Context) -> Evidence:
    """|theta - averaged theta| along the flow, its supremum's constant and its order."""
    options, eta = setting.options, setting.options["eta"]
    constants = learning_constants(NAME, setting.subject, options["learned"])
    slower = 2.0 if asked[0].run in MUTANTS else 1.0
    times = [0.0, *setting.times]
    path = _learner(setting, slower * eta, np.array(times) / slower)
    averaged = _averaged(setting, eta, times)
    mean = float(np.mean(options["data"]))
    shared: dict[str, Any] = {
        **constants,
        "eta": eta,
        "latent_speed": 1.0,
        "slope": options.get("slope", -1.0),
        "strongly_concave": isinstance(setting.subject, JointEnergy),
        "gaussian_location": "slope" in options,
        "initial_root_gap": math.sqrt(constants["pl"].value / 2.0) * abs(_start(setting) - mean),
        "initial_direction_error": direction_error(
            conditional_root_entropy=math.sqrt(path.posterior_relative_entropy()[0][0]),
            joint_root_entropy=math.sqrt(path.model_relative_entropy()[0][0]),
            **constants,
        ),
    }
    limits = _limits(setting) if any(c.part in (CONSTANT, ORDER) for c in asked) else None
    outcomes: dict[Case, Outcome | NotApplicable] = {}
    for case in asked:
        theorem = THEOREMS[case.part]
        time = float(case.time or 0.0)
        k = times.index(time)
        quantities = {**shared, "time": time, "scaled_time": eta * options["stiffness"] * time}
        if case.part in (CONSTANT, ORDER):
            assert limits is not None
            measured = limits[case.part == ORDER]
            resolution = 0.12 if case.part == ORDER else 0.05
        else:
            value = path.theta[k, 0] - (mean if case.part == EXACT else averaged[k])
            scale = _start(setting) - mean if case.part == EXACT else 1.0
            measured = Measurement(
                value=float(value / scale if case.part == EXACT else abs(value)),
                numerical=float(path.theta_width[k, 0]) + 1e-8,
            )
            resolution = 1e-3 * theorem.forced_bound(**quantities)
        outcomes[case] = confront(
            case,
            measured,
            theorem,
            quantities,
            resolution=resolution,
            variants=VARIANTS,
            perturbed=(smaller if case.relation is Relation.AT_MOST else larger)(
                theorem, quantities
            ),
        )
    return Evidence(outcomes=outcomes)


claim = Claim(
    name=NAME,
    title="Distance of the learner from the averaged dynamics",
    theorems=tuple(THEOREMS.values()),
    controls={**sentences(VARIANTS), **MUTANTS},
    settings=settings,
    cases=cases,
    evaluate=evaluate,
)
