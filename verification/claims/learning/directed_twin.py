"""The directed Gaussian model: gradient, learned loading, and escape from the saddle at zero.

Gradient: differences of log int exp(-E) dz by quadrature (Z does not depend on t). Loading and
escape: the mean-field equations integrated from a loading that is small, or tiny.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from lvebm_theory.initial import InitialLaw
from lvebm_theory.theorem import Theorem
from lvebm_theory.theorems.learning import directed_twin as statements

from ...claim import Case, Claim, Context, Evidence, NotApplicable, Outcome, Setting, Witness
from ...confront import confront, larger
from ...controls.variants import FalseVariant, sentences
from ...measurement import Measurement
from ..latent.joint_subjects import as_joint, log_integral

NAME = "directed-twin"
OPTIMUM, COLLAPSE, SLOPE, ESCAPE = "loading", "collapse", "gradient", "escape"
THEOREMS: dict[str, Theorem] = {
    OPTIMUM: statements.theorem,
    COLLAPSE: statements.collapse,
    SLOPE: statements.slope,
    ESCAPE: statements.escape,
}
VARIANTS = {
    "noise-forgotten": FalseVariant(
        sentence="t* = sqrt(s2): the noise taken for signal",
        bound=lambda theorem, q: math.sqrt(q["data_second_moment"]),
    ),
    "negative-phase-forgotten": FalseVariant(
        sentence="the gradient without its pool, t s2/(g + t^2)^2",
        bound=lambda theorem, q: q["t"] * q["data_second_moment"] / (q["noise"] + q["t"] ** 2) ** 2,
    ),
    "exact-gradient-rate": FalseVariant(
        sentence="escape at the rate eta L''(0) of exact gradient ascent",
        bound=lambda theorem, q: (
            q["eta"] * (q["data_second_moment"] - q["noise"]) / q["noise"] ** 2
        ),
    ),
}
_CONTROLLED = {
    "noise-forgotten": OPTIMUM,
    "negative-phase-forgotten": SLOPE,
    "exact-gradient-rate": ESCAPE,
}
MUTANTS = {"slow-pool": "pool and latents at half their speed"}
SLOWER = 2.0
LOADINGS = (0.0, 0.4, 1.1)
_TINY = 1e-8


def settings() -> list[Setting]:
    """Data that vary more than the noise, from both sides, and data that do not."""
    from lvebm_theory.energies.linear_gaussian import linear_gaussian_directed

    noise = 0.5
    energy = linear_gaussian_directed(t=0.4, noise=noise)
    start = InitialLaw.normal([0.0, 0.0], [noise**0.5, 1.0])
    return [
        Setting(
            name="signal",
            subject=energy,
            start=start,
            options={"s2": 1.3, "eta": 0.4, "end": 40.0, "parts": (OPTIMUM, SLOPE, ESCAPE)},
            with_controls=True,
        ),
        Setting(
            name="negative-loading",
            subject=linear_gaussian_directed(t=-0.2, noise=noise),
            start=start,
            options={"s2": 1.3, "eta": 0.4, "end": 40.0, "parts": (OPTIMUM,)},
        ),
        Setting(
            name="noise-alone",
            subject=energy,
            start=start,
            options={"s2": 0.35, "eta": 1.0, "end": 60.0, "parts": (COLLAPSE,)},
        ),
    ]


def cases(setting: Setting, backend: Literal["numba", "torch"]) -> list[Case]:
    """The parts of the setting, the gradient at several loadings, and what is false of them."""
    parts = setting.options["parts"]
    found = [_case(part, t) for part in parts for t in (LOADINGS if part == SLOPE else (None,))]
    if setting.with_controls:
        found += [
            _case(part, LOADINGS[1] if part == SLOPE else None, control)
            for control, part in _CONTROLLED.items()
        ]
        found += [_case(ESCAPE, None, name, name) for name in MUTANTS]
    return found


def _case(part: str, t: float | None, control: str | None = None, run: str = "") -> Case:
    witness: Witness = "quadrature" if part == SLOPE else "closed-form"
    return Case(
        quantity="gradient" if part == SLOPE else "theta",
        part=part if t is None else f"{part} at t = {t:g}",
        relation=THEOREMS[part].relation,
        witness=witness,
        control=control,
        run=run,
    )


def _gradient(setting: Setting, t: float) -> Measurement:
    """d/dt of E_data log int exp(-E) dz by fourth-order differences."""
    energy: Any = as_joint(NAME, setting.subject)
    x = math.sqrt(setting.options["s2"])  # data +-x: L is even in the datum
    step = 2e-3
    values, widths = {}, []
    for k in (-2, -1, 1, 2):
        values[k], width = log_integral(energy.with_parameters(t=t + k * step).conditional([x]))
        widths.append(width)
    narrow = (values[1] - values[-1]) / (2 * step)
    wide = (values[2] - values[-2]) / (4 * step)
    return Measurement(
        value=(4 * narrow - wide) / 3,
        numerical=abs(narrow - wide) * step + sum(widths) / step + 1e-10,
    )


def _run(setting: Setting, times: Sequence[float], start: float | None, slower: float) -> Any:
    from solvers.learning.closed_form import solve_closed_form

    x = math.sqrt(setting.options["s2"])
    assert setting.start is not None
    return solve_closed_form(
        as_joint(NAME, setting.subject),
        np.array([[-x], [x]]),
        latent_start=InitialLaw.normal(0.0, 1.0),
        pool_start=setting.start,
        eta=slower * setting.options["eta"],
        times=np.array(times) / slower,
        learned=("t",),
        theta_start=None if start is None else [start],
        tolerance=1e-10,
    )


def _settled(setting: Setting) -> Measurement:
    """|t| at the end of a long run; what still moved in its last fifth is the width."""
    end = setting.options["end"]
    path = _run(setting, (0.8 * end, end), None, 1.0)
    before, after = np.abs(path.theta[:, 0])
    width = float(path.theta_width[-1, 0]) + 2.0 * float(abs(after - before))
    return Measurement(value=float(after), numerical=width + 1e-9)


def _escape(setting: Setting, slower: float) -> Measurement:
    """Slope of log |t| after the transient, while t is still tiny."""
    path = _run(setting, (14.0, 16.0, 18.0), _TINY, slower)
    early, late = np.diff(np.log(np.abs(path.theta[:, 0]))) / 2.0
    relative = float((path.theta_width[:, 0] / np.abs(path.theta[:, 0])).max())
    return Measurement(
        value=float(late), numerical=2.0 * float(abs(late - early)) + relative + 1e-7
    )


def _measure(setting: Setting, name: str, run: str) -> Measurement:
    part, _, loading = name.partition(" at t = ")
    if part == SLOPE:
        return _gradient(setting, float(loading))
    if part == ESCAPE:
        return _escape(setting, SLOWER if run in MUTANTS else 1.0)
    return _settled(setting)


def evaluate(setting: Setting, asked: Sequence[Case], context: Context) -> Evidence:
    """The loading, the gradient, or the rate of escape."""
    options = setting.options
    # cases that differ in their control alone share a measurement
    measured = {name: _measure(setting, name, asked[0].run) for name in {c.part for c in asked}}
    outcomes: dict[Case, Outcome | NotApplicable] = {}
    for case in asked:
        part, _, loading = case.part.partition(" at t = ")
        theorem = THEOREMS[part]
        quantities = {
            "t": float(loading or 0.0),
            "noise": setting.subject.parameters["noise"],
            "data_second_moment": options["s2"],
            "eta": options["eta"],
            "directed_gaussian": True,
            "off_saddle": True,
        }
        true = theorem.forced_bound(**quantities)
        outcomes[case] = confront(
            case,
            measured[case.part],
            theorem,
            quantities,
            resolution=max(2e-3 * abs(true), 1e-6),
            variants=VARIANTS,
            perturbed=larger(theorem, quantities) if true else None,
        )
    return Evidence(outcomes=outcomes)


claim = Claim(
    name=NAME,
    title="The directed Gaussian model: gradient, learned loading and escape from the saddle",
    theorems=tuple(THEOREMS.values()),
    controls={**sentences(VARIANTS), **MUTANTS},
    settings=settings,
    cases=cases,
    evaluate=evaluate,
)
