"""ULA on a Gaussian, exactly: mean and variance after k steps, stationary variance 1/(l(1-hl/2)).

Quadrature: the transition kernel of ULA on a lattice. Particles: the generated loops. Both stand
against the closed form, and a solver with wrong noise or drift is refuted by it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from lvebm_theory.initial import InitialLaw
from lvebm_theory.theorem import Relation
from lvebm_theory.theorems.schemes import ula_on_gaussians as statements

from ...claim import Case, Claim, Context, Evidence, NotApplicable, Outcome, Setting, Witness
from ...confront import confront, larger
from ...controls.variants import FalseVariant, sentences
from ...measurement import Measurement
from ...subjects import energy_of, start_of

NAME = "ula-gaussian"
# a few dozen steps on a Gaussian cost little, and small means want many particles
PARTICLES_FACTOR = 8
QUANTITIES = {"mean": statements.mean, "variance": statements.theorem}


def _unbiased(theorem: Any, q: Mapping[str, Any]) -> float:
    if theorem is statements.mean:
        return float(theorem.forced_bound(**{**q, "steps": 2 * q["steps"]}))
    kept = (1.0 - q["step_size"] * q["precision"]) ** (2 * q["steps"])
    limit = 1.0 / q["precision"]
    return float(limit + kept * (q["initial_variance"] - limit))


def _continuous(theorem: Any, q: Mapping[str, Any]) -> float:
    kept = math.exp(-q["precision"] * q["step_size"] * q["steps"])
    if theorem is statements.mean:
        return kept * float(q["initial_mean"])
    limit = 1.0 / float(q["precision"])
    return limit + kept**2 * (float(q["initial_variance"]) - limit)


VARIANTS = {
    "no-discretisation-bias": FalseVariant(
        sentence="stationary variance 1/l in place of 1/(l(1 - hl/2)), and the mean twice as fast",
        bound=_unbiased,
    ),
    "continuous-time": FalseVariant(
        sentence="the law of the diffusion at time kh in place of the law of ULA",
        bound=_continuous,
    ),
}
MUTANTS = {
    "half-noise": "a solver with noise sqrt(h) xi in place of sqrt(2h) xi",
    "stale-gradient": "a solver that uses the gradient of the step before",
}


def settings() -> list[Setting]:
    """Coarse steps, at which the bias is plain; times are multiples of the step."""
    from lvebm_theory.energies.quadratic import quadratic

    return [
        Setting(
            name="precision-2-step-0.2",
            subject=quadratic(precision=2.0),
            start=InitialLaw.normal(1.5, 0.4),
            times=(0.2, 1.0, 8.0),
            options={"precision": 2.0, "step_size": 0.2},
            with_controls=True,
        ),
        Setting(
            name="precision-1-step-0.5",
            subject=quadratic(precision=1.0),
            start=InitialLaw.normal(-1.0, 2.0),
            times=(0.5, 2.0, 10.0),
            options={"precision": 1.0, "step_size": 0.5},
        ),
    ]


def cases(setting: Setting, backend: Literal["numba", "torch"]) -> list[Case]:
    """Mean and variance at every time by both witnesses; variants and mutants where asked."""
    witnesses: tuple[Witness, ...] = ("quadrature", backend)
    found = [
        Case(quantity="moment", part=part, relation=Relation.EQUAL, witness=witness, time=time)
        for witness in witnesses
        for part in QUANTITIES
        for time in setting.times
    ]
    if setting.with_controls:
        found += [
            Case(
                quantity="moment",
                part=part,
                relation=Relation.EQUAL,
                witness=witness,
                time=setting.times[1],
                control=variant,
            )
            for witness in witnesses
            for variant in VARIANTS
            for part in QUANTITIES
        ]
        found += [
            Case(
                quantity="moment",
                part="variance",
                relation=Relation.EQUAL,
                witness=backend,
                time=setting.times[-1],
                control=mutant,
                run=mutant,
            )
            for mutant in MUTANTS
        ]
    return found


def _by_kernel(setting: Setting, steps: Sequence[int]) -> dict[tuple[str, int], Measurement]:
    from solvers.densities.transition_kernel import ula_kernel

    energy, start = energy_of(setting), start_of(setting)
    reach = 12.0 * max(1.0, float(start.sds.max())) + abs(float(start.mean[0]))
    rows = []
    for refine in (1.0, 1.5):
        kernel = ula_kernel(energy, setting.options["step_size"], (-reach, reach), refine=refine)
        laws = kernel.after(start, steps)
        means = [law.expectation(law.nodes) for law in laws]
        rows.append(
            [(m, law.expectation((law.nodes - m) ** 2)) for m, law in zip(means, laws, strict=True)]
        )
    found = {}
    for k, coarse, fine in zip(steps, *rows, strict=True):
        for part, a, b in zip(QUANTITIES, coarse, fine, strict=True):
            # rounding of a sum of n terms of size up to reach^2
            rounding = 1e-14 * reach**2
            found[part, k] = Measurement(value=b, numerical=2.0 * abs(b - a) + rounding)
    return found


def _by_particles(
    setting: Setting, steps: Sequence[int], run: str, context: Context
) -> dict[tuple[str, int], Measurement]:
    from solvers.evolve import simulate
    from solvers.noise import Noise
    from solvers.particles.ula import ula

    from ...controls.schemes import with_noise_scaled, with_stale_gradient
    from ...estimate.averages import mean, variance

    scheme = {
        "": ula,
        "half-noise": with_noise_scaled(ula, 0.5**0.5),
        "stale-gradient": with_stale_gradient(ula),
    }[run]
    h = setting.options["step_size"]
    outcome = simulate(
        energy_of(setting),
        scheme,
        start_of(setting),
        step_size=h,
        save_at=[k * h for k in steps],
        particles=PARTICLES_FACTOR * context.particles,
        noise=Noise(context.seed, f"{NAME}/{setting.name}/{run}/{context.look}"),
        backend=context.backend,
        device=context.device,
    )
    found = {}
    for k, x in zip(steps, outcome.snapshots, strict=True):
        found["mean", k] = mean(x[:, 0], context.alpha)
        found["variance", k] = variance(x[:, 0], context.alpha)
    return found


def evaluate(setting: Setting, asked: Sequence[Case], context: Context) -> Evidence:
    """Moments after k steps by the witness of these cases, against the closed form."""
    h, precision = setting.options["step_size"], setting.options["precision"]
    start = start_of(setting)
    steps = sorted({round((case.time or 0.0) / h) for case in asked})
    if asked[0].witness == "quadrature":
        measured = _by_kernel(setting, steps)
    else:
        measured = _by_particles(setting, steps, asked[0].run, context)
    outcomes: dict[Case, Outcome | NotApplicable] = {}
    for case in asked:
        theorem = QUANTITIES[case.part]
        quantities = {
            "precision": precision,
            "step_size": h,
            "steps": round((case.time or 0.0) / h),
            "initial_mean": float(start.mean[0]),
            "initial_variance": float(start.covariance[0, 0]),
        }
        true = theorem.forced_bound(**quantities)
        # the bias of the variance, hl/(2 - hl) of it, is what the nearest control leaves out
        scale = max(abs(true), 0.1)
        resolution = scale * h * precision / (2.0 - h * precision) / 3.0
        outcomes[case] = confront(
            case,
            measured[case.part, quantities["steps"]],
            theorem,
            quantities,
            resolution=resolution,
            variants=VARIANTS,
            perturbed=larger(theorem, quantities),
        )
    return Evidence(outcomes=outcomes)


claim = Claim(
    name=NAME,
    title="Mean and variance of ULA on a Gaussian at every step",
    theorems=(statements.theorem, statements.mean),
    controls={**sentences(VARIANTS), **MUTANTS},
    settings=settings,
    cases=cases,
    evaluate=evaluate,
    agreement={"moment": 0.02},
)
