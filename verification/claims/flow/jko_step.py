"""One JKO step against the flow: W2(J_tau mu, mu_tau) = tau^2/2 |acceleration| + O(tau^3).

Grid: the step by convex minimisation in quantile coordinates, the flow by finite volumes, on the
same cells and by transport between them; step sizes halved each time. The predicted
constant needs neither: it is an integral against the start. Closed form of a Gaussian step, and
the a priori bound for convex energies (loose).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import Energy, JointEnergy
from lvebm_theory.theorem import Relation, Theorem
from lvebm_theory.theorems.flow import jko_step as statements

from ...claim import Case, Claim, Context, Evidence, NotApplicable, Outcome, Setting
from ...confront import confront, larger, require, smaller
from ...controls.variants import FalseVariant, quantities_replaced, sentences, value_multiplied
from ...defaults import frame
from ...measurement import Measurement
from ...subjects import adapted, energy_of, start_of

if TYPE_CHECKING:
    from solvers.densities import DensityState

NAME = "jko-step"
CONSTANT, ORDER, A_PRIORI, GAUSSIAN = "constant", "order", "a-priori", "gaussian"
VARIANTS: Mapping[str, FalseVariant] = {
    "full-acceleration": value_multiplied(2.0, "the constant without its factor 1/2"),
    "velocity": quantities_replaced(
        lambda q: {"acceleration": q["speed"]}, "the speed in place of the acceleration"
    ),
    "order-one": FalseVariant(
        sentence="order one, as the a priori bound has it", bound=lambda theorem, q: 1.0
    ),
    "explicit-step": FalseVariant(
        sentence="an explicit Euler step in place of the implicit one",
        bound=lambda theorem, q: math.hypot(
            q["mean"] * (1 - q["precision"] * q["step"]),
            q["sd"] + q["step"] * (1 / q["sd"] - q["precision"] * q["sd"]) - q["precision"] ** -0.5,
        ),
    ),
}
OF_PART = {
    CONSTANT: ("full-acceleration", "velocity"),
    ORDER: ("order-one",),
    GAUSSIAN: ("explicit-step",),
}
HALF_COST = "half-cost"
MUTANTS = {HALF_COST: "a step with cost |x-y|^2/2, which is a step of size 2 tau"}
CELLS = 8192
_REACH = 12.0  # standard deviations of a start
STEPS = 9
# of the bound: the false variants are a factor two or an order away, the explicit step 8 per cent
RESOLUTIONS = {CONSTANT: 0.05, ORDER: 0.05, A_PRIORI: 0.05, GAUSSIAN: 0.02}


def settings() -> list[Setting]:
    """Gaussians in closed form, a convex energy, and two wells."""
    from lvebm_theory.energies.cosine_perturbed import cosine_perturbed
    from lvebm_theory.energies.quadratic import quadratic
    from lvebm_theory.energies.tilted_double_well import tilted_double_well

    return [
        Setting(
            name="gaussian",
            subject=quadratic(precision=1.0),
            start=InitialLaw.normal(1.0, 0.5),
            options={"step": 0.2, "parts": (GAUSSIAN, CONSTANT, A_PRIORI)},
            with_controls=True,
        ),
        Setting(
            name="tilted-double-well",
            subject=tilted_double_well(b=1.0, tilt=0.3),
            start=InitialLaw.normal(0.5, 0.5),
            options={"parts": (CONSTANT, ORDER)},
            with_controls=True,
        ),
        Setting(
            name="convex",
            subject=cosine_perturbed(amplitude=0.15),
            start=InitialLaw.normal(1.0, 0.5),
            options={"parts": (CONSTANT, ORDER, A_PRIORI)},
        ),
    ]


def cases(setting: Setting, backend: Literal["numba", "torch"]) -> list[Case]:
    """The parts that the setting names, and the controls of each."""
    kinds = {
        CONSTANT: ("W2/tau^2", Relation.EQUAL),
        ORDER: ("rate", Relation.RATE),
        A_PRIORI: ("W2", Relation.AT_MOST),
        GAUSSIAN: ("W2", Relation.EQUAL),
    }
    planned = []
    for part in setting.options["parts"]:
        quantity, relation = kinds[part]
        controls: list[str | None] = [None]
        if setting.with_controls:
            controls += OF_PART.get(part, ())
            controls += [HALF_COST] if part in (ORDER, GAUSSIAN) else []
        planned += [
            Case(
                quantity=quantity,
                relation=relation,
                witness="grid",
                part=part,
                control=control,
                run=HALF_COST if control == HALF_COST else "",
            )
            for control in controls
        ]
    return planned


def evaluate(setting: Setting, asked: Sequence[Case], context: Context) -> Evidence:
    """One-step errors at four step sizes, and what they extrapolate to."""
    from lvebm_theory.constants import constants_of

    energy, start = energy_of(setting), start_of(setting)
    require(statements.theorem, smooth=energy.smooth)
    convexity = constants_of(energy).convexity
    stretch = 2.0 if asked[0].run == HALF_COST else 1.0
    acceleration, speed = acceleration_and_speed(energy, start)
    largest = speed / acceleration  # the time scale on which the expansion in tau lives
    steps = np.asarray(largest * 0.5 ** np.arange(STEPS), dtype=float)
    cells = CELLS * 2**context.look
    errors = _errors(energy, start, steps, stretch, cells)
    common: dict[str, Any] = {
        "smooth": energy.smooth,
        "one_dimensional": energy.dim == 1,
        "convexity": convexity,
        "acceleration": acceleration,
        "speed": speed,
        "step": largest,
        "fisher_information": speed**2,
    }
    outcomes: dict[Case, Outcome | NotApplicable] = {}
    for case in asked:
        q, theorem = common, _theorem_of(case)
        if case.part == CONSTANT:
            measured = _limit(errors[0] / steps**2, errors[1] / steps**2)
        elif case.part == ORDER:
            slopes = np.log2(errors[0][:-1] / errors[0][1:])
            relative = errors[1] / errors[0]
            measured = _limit(slopes, (relative[:-1] + relative[1:]) / math.log(2.0))
        elif case.part == A_PRIORI:
            measured = Measurement(value=float(errors[0][0]), numerical=float(errors[1][0]))
        else:
            tau = setting.options["step"]
            q = {
                **common,
                "precision": float(energy.hessian(start.mean[None, :])[0, 0, 0]),
                "mean": float(start.mean[0]),
                "sd": float(start.sds[0, 0]),
                "step": tau,
                "gaussian": True,
            }
            measured = _to_target(energy, start, tau * stretch, cells)
        one_sided = case.relation is Relation.AT_MOST
        outcomes[case] = confront(
            case,
            measured,
            theorem,
            q,
            resolution=RESOLUTIONS[case.part] * theorem.forced_bound(**q),
            variants=VARIANTS,
            perturbed=(smaller if one_sided else larger)(theorem, q),
        )
    return Evidence(outcomes=outcomes)


def _theorem_of(case: Case) -> Theorem:
    return {
        CONSTANT: statements.theorem,
        ORDER: statements.order,
        A_PRIORI: statements.a_priori,
        GAUSSIAN: statements.gaussian_step,
    }[case.part]


def _nodes(start: InitialLaw) -> tuple[FloatArray, FloatArray]:
    """Points (n,) and weights against a start on the line, for U of any shape: trapezoidal rule."""
    z = np.linspace(-_REACH, _REACH, 40_001)
    weights = np.exp(-(z**2) / 2)
    x = (start.means + start.sds * z[None, :]).ravel()
    return x, (start.weights[:, None] * weights / weights.sum()).ravel()


def acceleration_and_speed(energy: Energy, start: InitialLaw) -> tuple[float, float]:
    """Norms in L^2(mu_0) of a = v'' - v v' - v' U' - v U'' and of v = -(log mu_0/pi)'.

    a = d_t v + v v' with d_t log mu = -v' + v^2 + v U'. The third derivative of U is a central
    difference of U''.
    """
    x, weights = _nodes(start)
    points = x[:, None]
    slope = energy.gradient(points)[:, 0]
    curvature = energy.hessian(points)[:, 0, 0]
    _, (length,) = frame(energy)
    step = 1e-4 * max(float(length), float(start.sds.min()))
    third = (energy.hessian(points + step) - energy.hessian(points - step))[:, 0, 0] / (2 * step)
    first, second, score_third = _score(start, x)
    v, v1, v2 = -(first + slope), -(second + curvature), -(score_third + third)
    a = v2 - v * v1 - v1 * slope - v * curvature
    return float(np.sqrt(weights @ a**2)), float(np.sqrt(weights @ v**2))


def _score(start: InitialLaw, x: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """First three derivatives of log mu_0 at x (n,)."""
    z = (x - start.means) / start.sds
    log_parts = np.log(start.weights)[:, None] - 0.5 * z**2 - np.log(start.sds)
    share = np.exp(log_parts - log_parts.max(axis=0))
    share = share / share.sum(axis=0)
    s = start.sds
    p1 = (share * (-z / s)).sum(axis=0)
    p2 = (share * ((z**2 - 1) / s**2)).sum(axis=0)
    p3 = (share * (-(z**3 - 3 * z) / s**3)).sum(axis=0)
    second = p2 - p1**2
    return p1, second, p3 - 3 * p1 * second - p1**3


def _errors(
    energy: Energy, start: InitialLaw, steps: FloatArray, stretch: float, cells: int
) -> tuple[FloatArray, FloatArray]:
    """W2(J_tau mu, mu_tau) for each tau, with half-widths from four resolutions."""
    from solvers.densities.jko import jko_step
    from solvers.transport.one_dimensional import w2_grids

    from ...grid_witness import density_path, of_levels

    path = density_path(
        energy,
        start,
        steps[::-1].tolist(),
        claim=NAME,
        cells=cells,
        box=_reached(energy, start, float(steps[0]) * stretch),
    )

    def on_level(paths: Sequence[Sequence[DensityState]]) -> list[float]:
        states = paths[0]
        edges = states[0].grid.edges[0]
        found = []
        for tau, state in zip(steps, states[:0:-1], strict=True):
            moved = jko_step(energy, edges, states[0].masses, float(tau) * stretch)
            found.append(w2_grids(moved.masses, moved.edges, state.masses, edges))
        return found

    return of_levels([path], on_level)


def _reached(energy: Energy, start: InitialLaw, time: float) -> list[tuple[float, float]]:
    """What the flow and the step reach from a start in a short time; pi may lie far wider.

    Ten standard deviations of the start, what the drift can carry outward from there, and ten of
    the noise.
    """
    low = float((start.means - 10 * start.sds).min())
    high = float((start.means + 10 * start.sds).max())
    x = np.linspace(low, high, 2001)
    slope = energy.gradient(x[:, None])[:, 0]
    middle = float(start.mean[0])
    to_left = max(0.0, float(slope[x <= middle].max()))
    to_right = max(0.0, float(-slope[x >= middle].min()))
    noise = 10 * math.sqrt(2 * time)
    return [(low - time * to_left - noise, high + time * to_right + noise)]


def _to_target(energy: Energy, start: InitialLaw, tau: float, cells: int) -> Measurement:
    """W2(J_tau mu, pi)."""
    from solvers.densities.jko import jko_step
    from solvers.transport.one_dimensional import w2_grids

    from ...grid_witness import density_path, of_levels, transport_rounding

    path = density_path(energy, start, [tau], claim=NAME, cells=cells)

    def on_level(paths: Sequence[Sequence[DensityState]]) -> float:
        state = paths[0][0]
        edges = state.grid.edges[0]
        moved = jko_step(energy, edges, state.masses, tau)
        return float(w2_grids(moved.masses, moved.edges, np.exp(state.log_gibbs), edges))

    value, width = of_levels([path], on_level)
    return Measurement(value=float(value), numerical=float(width) + transport_rounding(path))


def _limit(values: FloatArray, widths: FloatArray) -> Measurement:
    """The limit at step 0 of values at steps halved each time, an expansion in their powers.

    Neville's table removes the powers one by one while it amplifies the widths. Each entry has
    the half-width 2 (its distance to the entry before it in its column + to the one it refines)
    plus the amplified width; the entry of the least half-width is taken.
    """
    column, noise = list(values), list(widths)
    best = Measurement(value=float(values[-1]), numerical=math.inf)
    for order in range(1, len(values) - 1):
        factor = 2.0**order
        refined = [(factor * b - a) / (factor - 1) for a, b in pairwise(column)]
        spread = [(factor * b + a) / (factor - 1) for a, b in pairwise(noise)]
        for k in range(1, len(refined)):
            moved = abs(refined[k] - refined[k - 1]) + abs(refined[k] - column[k + 1])
            half = 2.0 * moved + spread[k]
            if half < best.numerical:
                best = Measurement(value=float(refined[k]), numerical=float(half))
        column, noise = refined, spread
    return best


def adapt(
    subject: Energy | JointEnergy, start: InitialLaw | None, times: tuple[float, ...]
) -> Setting:
    """Any smooth energy in one dimension; the steps are chosen by its own time scale."""
    from dataclasses import replace

    setting = adapted(NAME, subject, start, times, largest_dimension=1, with_times=False)
    return replace(setting, options={"parts": (CONSTANT, ORDER)})


claim = Claim(
    name=NAME,
    title="One JKO step leaves the flow at order two, with half the acceleration",
    theorems=(
        statements.theorem,
        statements.order,
        statements.a_priori,
        statements.gaussian_step,
    ),
    controls={**sentences(VARIANTS), **MUTANTS},
    settings=settings,
    cases=cases,
    evaluate=evaluate,
    adapt=adapt,
)
