"""Inner flows for a fixed time, then a step of theta: the gap to the best likelihood and its bound.

Closed form: Gaussian laws at every inner loop. Grid: densities of a family that is not Gaussian.
The variants: inner loops run to a tolerance, for the time that the theorem allots them; and inner
loops by ULA, as the exact recursion of Gaussian moments.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.initial import InitialLaw
from lvebm_theory.theorem import Relation, Theorem
from lvebm_theory.theorems.learning import two_loop as statements
from lvebm_theory.theorems.learning.comparison import leading
from lvebm_theory.theorems.learning.gradient_error_relative_entropy import direction_error
from lvebm_theory.theorems.learning.phases import under_log_sobolev

from ...claim import Case, Claim, Context, Evidence, NotApplicable, Outcome, Setting, Witness
from ...confront import confront, smaller
from ...controls.variants import FalseVariant, quantities_replaced, sentences
from ...measurement import Measurement
from ..latent.joint_subjects import as_joint
from .inner_loops import Loop, Record, gaussian_loop, grid_loop
from .learning_constants import learning_constants
from .location_likelihood import likelihood_of

NAME = "two-loop"
GAP, LYAPUNOV, TOLERANCE, ULA = "gap", "Lyapunov function", "tolerance", "ULA"
THEOREMS: dict[str, Theorem] = {
    GAP: statements.theorem,
    LYAPUNOV: statements.lyapunov_decay,
    TOLERANCE: statements.tolerance,
    ULA: statements.ula,
}
VARIANTS = {
    "inner-errors-forgotten": quantities_replaced(
        lambda q: {"inner_time": 1e3}, "the bound of exact gradients: inner loops that run forever"
    ),
    "rate-doubled": FalseVariant(
        sentence="twice the rate: the bound of twice as many steps",
        bound=lambda theorem, q: theorem.forced_bound(**{**q, "steps": 2 * q["steps"]}),
    ),
}
MUTANTS = {"short-inner-loop": "inner loops of an eighth of the time they declare"}


def settings() -> list[Setting]:
    """No latents and a pool beyond the data; Gaussian latents; cosines on grids."""
    from lvebm_theory.energies.gaussian_location import gaussian_location
    from lvebm_theory.energies.location_family import location_family

    data = (1.1, 0.4, -0.6)
    mean = sum(data) / len(data)
    return [
        Setting(
            name="no-latents",
            subject=location_family(theta_1=mean + 1.0, theta_2=0.0, stiffness=1.0, coupling=0.0),
            start=InitialLaw.normal([mean - 2.0, 0.0], [1.0, 1.0]),
            options={
                "data": data,
                "learned": "theta_1",
                "step": 0.1,
                "inner_time": 1.5,
                "conditional_start": InitialLaw.normal(0.0, 1.0),
                "parts": {GAP: (3, 10), LYAPUNOV: (3, 10)},
            },
            with_controls=True,
        ),
        Setting(
            name="gaussian-latents",
            subject=gaussian_location(theta=mean + 1.5, noise=1.0),
            start=InitialLaw.normal([mean + 1.5, mean + 1.5], [2.0**0.5, 1.0]),
            options={
                "data": data,
                "learned": "theta",
                "step": 0.2,
                "inner_time": 4.0,
                "conditional_start": InitialLaw.normal(mean + 0.75, 2.0**-0.5),
                "parts": {GAP: (3, 10), LYAPUNOV: (3, 10), TOLERANCE: (3, 10), ULA: (5, 30)},
            },
        ),
        Setting(
            name="cosines",
            subject=location_family(theta_1=mean + 1.0, theta_2=0.2, stiffness=1.0, coupling=0.3),
            start=InitialLaw.normal([mean + 0.5, 0.0], [1.0, 1.0]),
            options={
                "data": data,
                "learned": "theta_1",
                "step": 0.2,
                "inner_time": 3.0,
                "conditional_start": InitialLaw.normal(0.0, 1.0),
                "parts": {GAP: (2, 6)},
                "witness": "grid",
            },
        ),
    ]


def cases(setting: Setting, backend: Literal["numba", "torch"]) -> list[Case]:
    """Every part after its numbers of steps; what must be refuted where the bound is sharp."""
    parts: Mapping[str, Sequence[int]] = setting.options["parts"]
    found = [_case(setting, part, k) for part, steps in parts.items() for k in steps]
    if setting.with_controls:
        k = parts[GAP][0]
        found += [_case(setting, GAP, k, control=control) for control in VARIANTS]
        found += [_case(setting, GAP, k, control=name, run=name) for name in MUTANTS]
    return found


def _case(
    setting: Setting, part: str, steps: int, control: str | None = None, run: str = ""
) -> Case:
    witness: Witness = setting.options.get("witness", "closed-form")
    return Case(
        quantity="gap" if part == TOLERANCE else "root gap",
        part=part,
        relation=Relation.AT_MOST,
        witness=witness,
        time=float(steps),
        control=control,
        run=run or (part if part in (TOLERANCE, ULA) else ""),
    )


class _Run:
    """One setting: its constants, its likelihood, and its loops."""

    def __init__(self, setting: Setting) -> None:
        options = setting.options
        energy: Any = as_joint(NAME, setting.subject)
        assert setting.start is not None
        self.setting, self.energy = setting, energy
        self.constants = learning_constants(NAME, energy, (options["learned"],))
        self.data = np.array(options["data"])
        self.loop = Loop(
            energy=energy,
            learned=options["learned"],
            data=self.data,
            latent_start=options["conditional_start"],
            pool_start=setting.start,
            step_size=options["step"],
        )

    def gap(self, theta: Sequence[float] | FloatArray) -> FloatArray:
        """L* - L at these theta."""
        points = np.asarray(theta, dtype=float)
        if self.energy.name == "gaussian_location":
            return np.asarray(self.constants["pl"].value * (points - self.data.mean()) ** 2 / 2.0)
        return likelihood_of(self.energy, list(self.data)).gap(points)

    def start(self) -> dict[str, Any]:
        """Quantities known before the first step; the error of the first direction from both KL."""
        record = gaussian_loop(self.loop, 0, lambda *_: (0.0, 0.0)) if self._gaussian else None
        posterior, model = (
            (record.posterior[0], record.model[0]) if record else self._starting_entropies()
        )
        return {
            **self.constants,
            "step_size": self.setting.options["step"],
            "inner_time": self.setting.options["inner_time"],
            "latent_speed": 1.0,
            "initial_gap": float(self.gap([self.loop.energy.parameters[self.loop.learned]])[0]),
            "initial_root_gap": math.sqrt(
                float(self.gap([self.loop.energy.parameters[self.loop.learned]])[0])
            ),
            "initial_direction_error": self.inner_error(posterior, model),
        }

    @property
    def _gaussian(self) -> bool:
        return bool(self.setting.options.get("witness") != "grid")

    def _starting_entropies(self) -> tuple[float, float]:
        from ...grid_witness import density_path

        loop = self.loop
        joint = density_path(self.energy.joint(), loop.pool_start, [1e-3], claim=NAME, cells=64)
        found = [
            density_path(self.energy.conditional([x]), loop.latent_start, [1e-3], claim=NAME)
            for x in self.data
        ]
        curves = [path.relative_entropy() for path in (joint, *found)]
        upper = [float(values[0] + widths[0]) for values, widths in curves]
        return float(np.mean(upper[1:])), upper[0]

    def inner_error(self, posterior: float, model: float) -> float:
        """w of the theorem, from E KL(q|post) and KL(p|model)."""
        return direction_error(
            conditional_root_entropy=math.sqrt(posterior),
            joint_root_entropy=math.sqrt(model),
            **self.constants,
        )


def evaluate(setting: Setting, asked: Sequence[Case], context: Context) -> Evidence:
    """L* - L, its root, or the Lyapunov function, after steps of theta."""
    run = _Run(setting)
    start = run.start()
    steps = max(round(case.time or 0.0) for case in asked)
    measured, extra = _measure(run, asked[0], start, steps)
    outcomes: dict[Case, Outcome | NotApplicable] = {}
    for case in asked:
        theorem, k = THEOREMS[case.part], round(case.time or 0.0)
        quantities = {**start, **extra, "steps": k}
        outcomes[case] = confront(
            case,
            measured(case.part, k),
            theorem,
            quantities,
            resolution=1e-3 * theorem.forced_bound(**quantities),
            variants=VARIANTS,
            perturbed=smaller(theorem, quantities),
            note=f"{k} steps of theta",
        )
    return Evidence(outcomes=outcomes)


def _measure(
    run: _Run, case: Case, start: dict[str, Any], steps: int
) -> tuple[Any, dict[str, Any]]:
    """A function (part, steps) -> Measurement, and further quantities of the theorem."""
    options = run.setting.options
    if case.witness == "grid":
        times = (options["inner_time"],) * 2
        theta, width = grid_loop(run.loop, steps, times, cells=48, reach=7.0)
        # the root of the gap is Lipschitz in theta with constant sqrt(Lambda/2)
        slope = math.sqrt(run.constants["likelihood_smoothness"].upper / 2.0)
        root = np.sqrt(run.gap(theta))
        return (
            lambda _, k: Measurement(value=float(root[k]), numerical=slope * float(width[k]) + 1e-9)
        ), {}
    if case.run == ULA:
        return _by_ula(run, steps)
    if case.run == TOLERANCE:
        return _to_tolerance(run, steps)
    scale = 0.125 if case.run in MUTANTS else 1.0
    inner = scale * options["inner_time"]
    record = gaussian_loop(run.loop, steps, lambda *_: (inner, inner))
    return _from_record(run, record, start), {}


def _from_record(run: _Run, record: Record, start: dict[str, Any]) -> Any:
    roots = np.sqrt(run.gap(record.theta))
    matrix = statements.step_matrix(
        under_log_sobolev(**start),
        math.exp(-under_log_sobolev(**start).rate * start["inner_time"]),
        **start,
    )
    weight = leading(matrix)[1]

    def measured(part: str, k: int) -> Measurement:
        value = float(roots[k])
        if part == LYAPUNOV:
            value += weight * run.inner_error(record.posterior[k], record.model[k])
        return Measurement(value=value, numerical=1e-9)

    return measured


def _to_tolerance(run: _Run, steps: int) -> tuple[Any, dict[str, Any]]:
    """Inner loops for exactly the time that the theorem allots to this tolerance."""
    tolerance = 0.05
    names = ("conditional", "joint")

    def inner(k: int, move: float) -> tuple[float, float]:
        if k == 0:
            return 20.0, 20.0  # the first loop starts from anywhere: far longer than it needs
        times = [
            statements.inner_time(
                log_sobolev=run.constants[f"{name}_log_sobolev"],
                lipschitz=run.constants[f"{name}_lipschitz"],
                tolerance=tolerance,
                move=move,
            )
            for name in names
        ]
        return times[0], times[1]

    record = gaussian_loop(run.loop, steps, inner)
    gaps = run.gap(record.theta)
    quantities = {f"{name}_tolerance": tolerance for name in names}
    return (lambda _, k: Measurement(value=float(gaps[k]), numerical=1e-12)), quantities


def _by_ula(run: _Run, steps: int) -> tuple[Any, dict[str, Any]]:
    """The algorithm in order "sequential", its moments exactly."""
    from solvers.learning.closed_form_discrete import iterate_moments
    from solvers.learning.rates import Constant as Rate
    from solvers.learning.settings import LearningSettings

    h, inner = 0.04, 100
    path = iterate_moments(
        run.energy,
        run.data[:, None],
        LearningSettings(
            latents=1,
            pool=1,
            latent_step=h,
            pool_step=h,
            inner_steps=inner,
            rate=Rate(run.loop.step_size),
            learned=(run.loop.learned,),
        ),
        latent_start=run.loop.latent_start,
        pool_start=run.loop.pool_start,
        updates=steps,
    )
    roots = np.sqrt(run.gap(path.theta[:, 0]))
    quantities = {"pool_step": h, "inner_steps": inner, "dim_x": 1, "dim_z": 1}
    return (lambda _, k: Measurement(value=float(roots[k]), numerical=1e-9)), quantities


claim = Claim(
    name=NAME,
    title="Inner flows for a fixed time, then a step of theta: the gap to the best likelihood",
    theorems=tuple(THEOREMS.values()),
    controls={**sentences(VARIANTS), **MUTANTS},
    settings=settings,
    cases=cases,
    evaluate=evaluate,
)
