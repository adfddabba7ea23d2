"""Mean hitting times across a barrier: the exact double integral, particles, and growth like e^b.

Particles are absorbed at the level and counted while alive, E T = int P(T > t) dt. Seen only at
whole steps they are absorbed late, by an error in powers of sqrt(h); three step sizes extrapolate
it away. Growth: the exact formula over a range of barriers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import Energy
from lvebm_theory.theorem import Relation
from lvebm_theory.theorems.metastability import mean_hitting_time as statements

from ...claim import Case, Claim, Context, Evidence, NotApplicable, Outcome, Setting, Witness
from ...confront import confront, larger
from ...controls.variants import FalseVariant, sentences
from ...measurement import Measurement
from ...subjects import energy_of

NAME = "hitting-times"
FROM, LEVEL = -1.0, 1.0
# the survival function is seen every SPACING, for RELAXATIONS mean hitting times
SPACING, RELAXATIONS = 0.04, 8.0
BARRIERS = (6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0)


def _wrong(theorem: Any, q: Mapping[str, Any]) -> float:
    value = float(theorem.forced_bound(**q))
    return 2.0 * value if theorem is statements.growth else 0.5 * value


def _other(theorem: Any, q: Mapping[str, Any]) -> float:
    return 0.0 if theorem is statements.growth else float(q["double_integral_unit_noise"])


VARIANTS = {
    "half-time": FalseVariant(
        sentence="half the hitting time, or growth like the square of the exponential",
        bound=_wrong,
    ),
    "unit-noise": FalseVariant(
        sentence="the hitting time for noise dW in place of sqrt(2) dW, or no growth at all",
        bound=_other,
    ),
}


def settings() -> list[Setting]:
    """From the left well of a double well to the right one."""
    from lvebm_theory.energies.double_well import double_well

    return [Setting(name="across-the-barrier", subject=double_well(b=1.0), with_controls=True)]


def cases(setting: Setting, backend: Literal["numba", "torch"]) -> list[Case]:
    """The hitting time by particles, its growth by quadrature, and the false variants of both."""
    plan: list[tuple[str, Relation, Witness]] = [
        ("hitting time", Relation.EQUAL, backend),
        ("growth", Relation.RATE, "quadrature"),
    ]
    return [
        Case(
            quantity="time" if part == "hitting time" else "rate",
            part=part,
            relation=relation,
            witness=witness,
            control=control,
        )
        for part, relation, witness in plan
        for control in (None, *(VARIANTS if setting.with_controls else ()))
    ]


def mean_hitting_time(energy: Energy, temperature: float = 1.0) -> float:
    """E_x T_b by composite Gauss-Legendre on both integrals; d = 1, from FROM to LEVEL.

    ``temperature`` s replaces exp(U) by exp(U/s) and multiplies the result by 1/s: the hitting
    time for noise sqrt(2 s) dW.
    """
    nodes, weights = np.polynomial.legendre.leggauss(20)

    def panels(low: float, high: float, count: int) -> tuple[FloatArray, FloatArray]:
        edges = np.linspace(low, high, count + 1)
        half = np.diff(edges) / 2
        points = (edges[:-1] + half)[:, None] + half[:, None] * nodes
        return points.ravel(), (half[:, None] * weights).ravel()

    def potential(x: FloatArray) -> FloatArray:
        return np.asarray(energy.potential(x[:, None])) / temperature

    outer, outer_weights = panels(FROM, LEVEL, 40)
    start = FROM
    while potential(np.array([start]))[0] < potential(np.array([FROM]))[0] + 60.0:
        start -= 0.25
    inner, inner_weights = panels(start, FROM, 80)
    below = float(inner_weights @ np.exp(-potential(inner)))
    total = 0.0
    # the inner integral up to each outer node: the part below FROM plus panels from FROM on
    for y, w in zip(outer, outer_weights, strict=True):
        x, v = panels(FROM, float(y), 12)
        total += (
            w
            * math.exp(float(potential(np.array([y]))[0]))
            * (below + float(v @ np.exp(-potential(x))))
        )
    return total / temperature


def _alive_time(energy: Energy, exact: float, step: float, context: Context) -> tuple[float, float]:
    """int P(T > t) dt by the trapezoidal rule and its half-width, from absorbed particles."""
    from dataclasses import replace

    from scipy.special import stdtrit

    from solvers.evolve import simulate
    from solvers.noise import Noise
    from solvers.particles.language import where
    from solvers.particles.recorders import TestFunctions
    from solvers.particles.ula import ula

    def absorbed(state: Any, target: Any, h: Any, draw: Any) -> tuple[Any, Any]:
        moved, info = ula.step(state, target, h, draw)
        gone = state["x"][0] >= LEVEL
        return {"x": where(gone, state["x"], moved["x"])}, info

    every = max(1, round(SPACING / step))
    steps = every * math.ceil(RELAXATIONS * exact / (every * step))
    run = simulate(
        energy,
        replace(ula, name="ula, absorbed", step=absorbed),
        InitialLaw.normal(FROM, 1e-9),
        step_size=step,
        steps=steps,
        particles=context.particles // 2,
        noise=Noise(context.seed, f"{NAME}/{step}/{context.look}"),
        recorders=[
            TestFunctions(
                functions={"alive": lambda x: where(x[0] < LEVEL, 1.0, 0.0)},
                every=every,
                over_time=True,
            )
        ],
        backend=context.backend,
        device=context.device,
    )
    record = run.records["functions"]
    spacing = every * step
    scale = spacing * (steps // every + 1)
    quantile = float(-stdtrit(record.count - 1, context.alpha / 6))
    return (
        float(record.of("alive")[0]) * scale - spacing / 2.0,
        quantile * float(record.standard_error[0, 0]) * scale,
    )


def _by_particles(energy: Energy, exact: float, context: Context) -> Measurement:
    steps = (0.0025, 0.01, 0.04)
    values, widths = zip(*(_alive_time(energy, exact, h, context) for h in steps), strict=True)
    fine, middle, coarse = values
    # sqrt(h) doubles from one to the next: without its first power, then without the first two
    linear = 2.0 * fine - middle
    quadratic = (8.0 * fine - 6.0 * middle + coarse) / 3.0
    left_alive = math.exp(-RELAXATIONS) * exact
    return Measurement(
        value=linear,
        statistical=2.0 * widths[0] + widths[1],
        numerical=abs(quadratic - linear) + left_alive,
        confidence=context.confidence,
    )


def _growth() -> Measurement:
    from lvebm_theory.energies.double_well import double_well

    b = np.array(BARRIERS)
    logs = np.array([math.log(x * mean_hitting_time(double_well(b=x))) for x in BARRIERS])
    slopes = np.diff(logs) / np.diff(b)
    middle = (b[1:] + b[:-1]) / 2
    limits = []
    for degree in (2, 3):
        # the correction to log(b E T) is a series in 1/b, so that of the slope starts at 1/b^2
        design = np.stack([np.ones_like(middle), *(middle ** -(k + 1.0) for k in range(1, degree))])
        limits.append(float(np.linalg.pinv(design.T)[0] @ slopes))
    return Measurement(value=limits[1], numerical=2.0 * abs(limits[1] - limits[0]) + 1e-6)


def evaluate(setting: Setting, asked: Sequence[Case], context: Context) -> Evidence:
    """Hitting time by particles, or growth by quadrature."""
    energy = energy_of(setting)
    exact = mean_hitting_time(energy)
    quantities = {
        "one_dimensional": energy.dim == 1,
        "double_integral": exact,
        "double_integral_unit_noise": mean_hitting_time(energy, 0.5),
    }
    by_particles = asked[0].part == "hitting time"
    theorem = statements.theorem if by_particles else statements.growth
    measured = _by_particles(energy, exact, context) if by_particles else _growth()
    true = theorem.forced_bound(**quantities)
    wrong = [variant.bound(theorem, quantities) for variant in VARIANTS.values()]
    outcomes: dict[Case, Outcome | NotApplicable] = {
        case: confront(
            case,
            measured,
            theorem,
            quantities,
            resolution=min(*(abs(true - w) / 3.0 for w in wrong), 0.09 * true),
            variants=VARIANTS,
            perturbed=larger(theorem, quantities),
        )
        for case in asked
    }
    return Evidence(outcomes=outcomes)


claim = Claim(
    name=NAME,
    title="Mean hitting times across a barrier, exactly, and their exponential growth",
    theorems=(statements.theorem, statements.growth),
    controls=sentences(VARIANTS),
    settings=settings,
    cases=cases,
    evaluate=evaluate,
)
