"""The coupled Gaussian flow: what it settles at, how fast, and when it oscillates.

Fixed point: the mean-field equations integrated for a long time from starts and ratios that end at
different (a, b); only a - b^2 is compared. Spectrum and threshold: eigenvalues of the derivative of
the solver's own field, by central differences at fixed points found from the equations.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.initial import InitialLaw
from lvebm_theory.theorem import Theorem
from lvebm_theory.theorems.learning import coupled_gaussian as statements

from ...claim import Case, Claim, Context, Evidence, NotApplicable, Outcome, Setting
from ...confront import confront, larger
from ...controls.variants import FalseVariant, sentences
from ...measurement import Measurement
from ..latent.joint_subjects import as_joint

NAME = "coupled-gaussian"
SETTLED, SPECTRUM, OSCILLATION = "a - b^2", "spectrum", "threshold"
THEOREMS: dict[str, Theorem] = {
    SETTLED: statements.theorem,
    SPECTRUM: statements.spectrum,
    OSCILLATION: statements.oscillation,
}
VARIANTS = {
    "a-identified": FalseVariant(
        sentence="a = 1/s2 + b_0^2: a taken for identifiable, b for left where it starts",
        bound=lambda theorem, q: 1.0 / q["data_second_moment"] + q["b_start"] ** 2,
    ),
    "always-stable": FalseVariant(
        sentence="the decay rate of slow theta, eta s2^2 (1 + 4 b^2)/2, for every eta and s2",
        bound=lambda theorem, q: (
            -q["eta"] * q["data_second_moment"] ** 2 * (1.0 + 4.0 * q["b"] ** 2) / 2.0
        ),
    ),
    "threshold-of-the-location": FalseVariant(
        sentence="oscillation beyond eta = 1/4, as for a location", bound=lambda theorem, q: 0.25
    ),
}
MUTANTS = {"half-noise": "pool noise sqrt(dt) in place of sqrt(2 dt)"}
_CONTROLLED = {
    "a-identified": SETTLED,
    "always-stable": SPECTRUM,
    "threshold-of-the-location": OSCILLATION,
}
_DIFFERENCE = 1e-5


def settings() -> list[Setting]:
    """Two ratios and an oscillating one at s2 = 1.6; a stable and an unstable point elsewhere."""
    from lvebm_theory.energies.linear_gaussian import linear_gaussian_undirected

    def setting(name: str, controls: bool = False, **options: Any) -> Setting:
        return Setting(
            name=name,
            subject=linear_gaussian_undirected(a=1.5, b=0.8),
            start=InitialLaw.normal([0.0, 0.0], [1.0, 1.0]),
            options={"latent_speed": 1.0, "b_start": 0.8, **options},
            with_controls=controls,
        )

    return [
        setting("slow-theta", True, s2=1.6, eta=0.05, b=0.5, end=90.0, parts=(SETTLED, SPECTRUM)),
        setting("fast-theta", s2=1.6, eta=5.0, b=0.5, end=25.0, parts=(SETTLED, SPECTRUM)),
        setting("fast-latents", s2=1.6, eta=0.5, b=0.3, latent_speed=3.0, parts=(SPECTRUM,)),
        setting("unstable", True, s2=10.0, eta=0.17, b=0.8, parts=(SPECTRUM,)),
        setting("threshold-of-a", True, s2=5.0, eta=0.1, b=0.0, parts=(OSCILLATION,)),
        setting("threshold-of-b", s2=2.0, eta=0.1, b=0.0, parts=(OSCILLATION,)),
    ]


def cases(setting: Setting, backend: Literal["numba", "torch"]) -> list[Case]:
    """The parts of the setting, and the false variants of those parts."""
    parts = setting.options["parts"]
    found = [_case(part) for part in parts]
    if setting.with_controls:
        found += [_case(part, name) for name, part in _CONTROLLED.items() if part in parts]
        if SETTLED in parts:
            found += [_case(SETTLED, name, name) for name in MUTANTS]
    return found


def _case(part: str, control: str | None = None, run: str = "") -> Case:
    return Case(
        quantity="rate" if part == SPECTRUM else "theta",
        part=part,
        relation=THEOREMS[part].relation,
        witness="closed-form",
        control=control,
        run=run,
    )


def _data(s2: float) -> FloatArray:
    return np.array([[-(s2**0.5)], [s2**0.5]])


def _settled(setting: Setting, noise: float) -> Measurement:
    """a - b^2 at the end of a long run; what still moved in its last fifth is its width."""
    from solvers.learning.closed_form import solve_closed_form

    options = setting.options
    s2 = options["s2"]
    assert setting.start is not None
    end = options["end"]
    # noise times c is, in the coordinates w/c, the right flow with data of second moment s2/c^2
    path = solve_closed_form(
        as_joint(NAME, setting.subject),
        _data(s2 / noise**2),
        latent_start=InitialLaw.normal(0.0, 1.0),
        pool_start=setting.start,
        eta=options["eta"] * noise**2,
        times=[0.8 * end, end],
        latent_speed=options["latent_speed"],
        tolerance=1e-9,
    )
    values = path.theta[:, 0] - path.theta[:, 1] ** 2
    width = float(np.abs(path.theta_width[-1]).sum()) * (1.0 + 2.0 * abs(path.theta[-1, 1]))
    return Measurement(
        value=float(values[1]), numerical=width + 2.0 * float(abs(values[1] - values[0])) + 1e-9
    )


def _spectrum(setting: Setting, eta: float) -> FloatArray:
    """Eigenvalues of the solver's field around the fixed point with this b, the zero left out."""
    from solvers.learning.closed_form import flow_field
    from solvers.learning.gaussian_family import GaussianFamily
    from solvers.learning.gaussian_values import DataMoments, GaussianState, equilibrium

    options = setting.options
    s2, b = options["s2"], options["b"]
    family = GaussianFamily.of(as_joint(NAME, setting.subject))
    data = DataMoments.of(_data(s2), 1)
    rest = equilibrium(family, np.array([b * b + 1.0 / s2, b]))

    def field(v: FloatArray) -> FloatArray:
        pool = rest.pool_covariance + np.array([[v[2], v[3]], [v[3], v[4]]])
        moved = flow_field(
            family,
            data,
            GaussianState(
                theta=rest.theta + v[:2],
                pool_mean=rest.pool_mean,
                pool_covariance=pool,
                latent_slope=rest.latent_slope + v[5],
                latent_shift=rest.latent_shift,
                latent_covariance=rest.latent_covariance,
            ),
            eta,
            options["latent_speed"],
        )
        s = moved.pool_covariance
        return np.array([*moved.theta, s[0, 0], s[0, 1], s[1, 1], moved.latent_slope[0, 0]])

    steps = _DIFFERENCE * np.eye(6)
    jacobian = np.stack([(field(e) - field(-e)) / (2.0 * _DIFFERENCE) for e in steps], axis=1)
    values = np.linalg.eigvals(jacobian)
    return np.delete(values, int(np.argmin(np.abs(values))))


def _threshold(setting: Setting) -> Measurement:
    """The least eta with complex eigenvalues, bisected."""
    low, high = 1e-4, 1.0
    while high - low > 1e-6 * high:
        middle = (low * high) ** 0.5
        values = _spectrum(setting, middle)
        complex_ = np.abs(values.imag).max() > 1e-4 * np.abs(values).max()
        low, high = (low, middle) if complex_ else (middle, high)
    return Measurement(value=high, numerical=1e-5 * high)


def _measure(setting: Setting, part: str, run: str) -> Measurement:
    if part == SETTLED:
        return _settled(setting, 0.5**0.5 if run in MUTANTS else 1.0)
    if part == OSCILLATION:
        return _threshold(setting)
    value = float(_spectrum(setting, setting.options["eta"]).real.max())
    return Measurement(value=value, numerical=1e-7)


def evaluate(setting: Setting, asked: Sequence[Case], context: Context) -> Evidence:
    """The limit of a - b^2, the largest real part, or the threshold of oscillation."""
    options = setting.options
    quantities = {
        "data_second_moment": options["s2"],
        "eta": options["eta"],
        "b": options["b"],
        "b_start": options["b_start"],
        "latent_speed": options["latent_speed"],
        "linear_gaussian": True,
        "converged": True,
    }
    # cases that differ in their control alone share a measurement
    measured = {part: _measure(setting, part, asked[0].run) for part in {c.part for c in asked}}
    outcomes: dict[Case, Outcome | NotApplicable] = {}
    for case in asked:
        theorem = THEOREMS[case.part]
        outcomes[case] = confront(
            case,
            measured[case.part],
            theorem,
            quantities,
            resolution=2e-3 * abs(theorem.forced_bound(**quantities)),
            variants=VARIANTS,
            perturbed=larger(theorem, quantities),
        )
    return Evidence(outcomes=outcomes)


claim = Claim(
    name=NAME,
    title="What the coupled Gaussian flow settles at, how fast, and when it oscillates",
    theorems=tuple(THEOREMS.values()),
    controls={**sentences(VARIANTS), **MUTANTS},
    settings=settings,
    cases=cases,
    evaluate=evaluate,
)
