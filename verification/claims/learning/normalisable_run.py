"""The normaliser stays finite along a run: bounds from dissipativity, projection, exact ascent.

log Z at both ends of a run and at its narrowest by quadrature, against the bound from the least
dissipativity of the run. The margin a - b^2 of linear-Gaussian runs: projected runs of the
algorithm, whose pool starts too narrow and would drive a below b^2, and exact gradient ascent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.constant import Constant
from lvebm_theory.initial import InitialLaw
from lvebm_theory.theorem import Relation, Theorem
from lvebm_theory.theorems.learning import normalisable_along_a_run as statements

from ...claim import Case, Claim, Context, Evidence, NotApplicable, Outcome, Setting, Witness
from ...confront import confront, larger, smaller
from ...controls.variants import FalseVariant, quantities_replaced, sentences
from ...measurement import Measurement
from ..latent.joint_subjects import as_joint, log_integral

NAME = "normalisable-run"
BOUND, ATTAINED, PROJECTED, ASCENT = "log Z", "log Z, attained", "projected margin", "exact ascent"
THEOREMS: dict[str, Theorem] = {
    BOUND: statements.theorem,
    ATTAINED: statements.isotropic,
    PROJECTED: statements.projected,
    ASCENT: statements.exact_ascent,
}
VARIANTS = {
    "dissipativity-of-the-end": quantities_replaced(
        lambda q: {"dissipativity": q["last_dissipativity"]},
        "alpha at the end of the run in place of its least value on the way",
    ),
    "gap-halved": FalseVariant(
        sentence="a - b^2 >= -W_0(-exp(-1 - Delta))/s2: a factor 2 lost in the exponent",
        bound=lambda theorem, q: theorem.forced_bound(
            **{**q, "initial_gap": q["initial_gap"] / 2.0}
        ),
    ),
}
_CONTROLLED = {"dissipativity-of-the-end": BOUND, "gap-halved": ASCENT}
MUTANTS = {
    "unprojected": "a run of the algorithm that forgets its projection",
    "coupled-for-averaged": "a run with a narrow pool where exact gradients are declared",
}
_MUTATED = {"unprojected": PROJECTED, "coupled-for-averaged": ASCENT}


def settings() -> list[Setting]:
    """A projected run, exact ascent, an isotropic energy and a double-well prior."""
    from lvebm_theory.energies.bimodal_posterior import bimodal_posterior
    from lvebm_theory.energies.linear_gaussian import linear_gaussian, linear_gaussian_undirected

    narrow = InitialLaw.normal([0.0, 0.0], [0.3, 0.3])
    return [
        Setting(
            name="projected",
            subject=linear_gaussian_undirected(a=0.9, b=0.5),
            start=narrow,
            options={"s2": 1.2, "margin": 0.5, "parts": (PROJECTED,)},
            with_controls=True,
        ),
        Setting(
            name="exact-ascent",
            subject=linear_gaussian_undirected(a=0.7, b=0.6),
            start=narrow,
            options={"s2": 1.2, "parts": (ASCENT, BOUND)},
            with_controls=True,
        ),
        Setting(
            name="isotropic",
            subject=linear_gaussian(dim_z=1, precision=((1.3, 0.0), (0.0, 1.3))),
            options={"parts": (ATTAINED,)},
        ),
        Setting(
            name="double-well-prior",
            subject=bimodal_posterior(t=0.3, b=1.0, noise=0.5),
            start=InitialLaw.normal([0.0, 0.0], [0.7, 1.0]),
            options={"s2": 1.5, "parts": (BOUND,)},
        ),
    ]


def cases(setting: Setting, backend: Literal["numba", "torch"]) -> list[Case]:
    """The parts of the setting, their false variants and mutated runs."""
    parts = setting.options["parts"]
    found = [_case(part) for part in parts]
    if setting.with_controls:
        both = [*_CONTROLLED.items(), *_MUTATED.items()]
        found += [
            _case(part, name, name if name in MUTANTS else "")
            for name, part in both
            if part in parts
        ]
    return found


def _case(part: str, control: str | None = None, run: str = "") -> Case:
    witness: Witness = "quadrature" if part in (BOUND, ATTAINED) else "closed-form"
    return Case(
        quantity="log Z" if part in (BOUND, ATTAINED) else "a - b^2",
        part=part,
        relation=THEOREMS[part].relation,
        witness=witness,
        control=control,
        run=run,
    )


def _data(setting: Setting) -> FloatArray:
    root = math.sqrt(setting.options["s2"])
    return np.array([[-root], [root]])


def _algorithm(setting: Setting, projected: bool) -> FloatArray:
    """theta of the algorithm with infinitely many particles, (T, 2)."""
    from solvers.learning.closed_form_discrete import iterate_moments
    from solvers.learning.projection_steps import above_square
    from solvers.learning.rates import Constant as Rate
    from solvers.learning.settings import LearningSettings

    margin = setting.options.get("margin", 0.1)

    def project(theta: FloatArray) -> FloatArray:
        moved = np.array(theta, dtype=float)
        if projected:
            above_square(moved, np.array([0, 1]), np.array([margin]))
        return moved

    assert setting.start is not None
    path = iterate_moments(
        as_joint(NAME, setting.subject),
        _data(setting),
        LearningSettings(latents=1, pool=1, latent_step=0.05, pool_step=0.05, rate=Rate(0.05)),
        latent_start=InitialLaw.normal(0.0, 1.0),
        pool_start=setting.start,
        updates=80,
        projection=project,
    )
    return path.theta


def _path(setting: Setting, run: str) -> FloatArray:
    """Parameters along the run, (T, number of learned parameters)."""
    from solvers.learning.closed_form import averaged_flow

    energy = as_joint(NAME, setting.subject)
    if setting.start is None:
        return np.array([[]])
    if energy.name == "bimodal_posterior":
        return _double_well_ascent(setting)
    if ASCENT in setting.options["parts"] and run not in MUTANTS:
        times = np.linspace(0.0, 6.0, 61)
        return averaged_flow(energy, _data(setting), eta=1.0, times=times, tolerance=1e-9)
    return _algorithm(setting, projected=run != "unprojected")


def _double_well_ascent(setting: Setting) -> FloatArray:
    """t along exact ascent of L, by differences of L (Z does not depend on t)."""
    energy: Any = as_joint(NAME, setting.subject)
    datum = [float(_data(setting)[1, 0])]
    t, found = energy.parameters["t"], []
    for _ in range(8):
        found.append([t])
        low, high = (
            log_integral(energy.with_parameters(t=t + s).conditional(datum))[0]
            for s in (-1e-4, 1e-4)
        )
        t += 0.5 * (high - low) / 2e-4
    return np.array(found)


def _members(setting: Setting, path: FloatArray) -> list[Any]:
    """The energy at both ends of the run and where a - b^2 is least (t is largest)."""
    energy: Any = as_joint(NAME, setting.subject)
    names = {"bimodal_posterior": ("t",), "linear_gaussian_undirected": ("a", "b")}
    if path.shape[1] == 0:
        return [energy]
    margin = path[:, 0] - path[:, 1] ** 2 if path.shape[1] == 2 else -path[:, 0]
    shown = np.unique([0, int(np.argmin(margin)), len(path) - 1])
    return [
        energy.with_parameters(**dict(zip(names[energy.name], map(float, row), strict=True)))
        for row in path[shown]
    ]


def _dissipativity(energy: Any) -> tuple[Constant, float]:
    from lvebm_theory.constants import constants_of

    constants = constants_of(energy.joint())
    return constants.dissipativity, constants.dissipativity_offset


def _bound_case(members: Sequence[Any]) -> tuple[Measurement, dict[str, Any]]:
    """The largest log Z of the run, and what its bound is made of.

    The least energy is zero for all of these families.
    """
    found = [log_integral(member.joint()) for member in members]
    constants = [_dissipativity(member) for member in members]
    slowest = min((constant for constant, _ in constants), key=lambda constant: constant.lower)
    value = max(value for value, _ in found)
    quantities = {
        "dissipativity": slowest,
        "last_dissipativity": constants[-1][0],
        "dissipativity_offset": max(offset for _, offset in constants),
        "least_energy": 0.0,
        "dim": 2,
        "isotropic": len(members) == 1,
    }
    width = max(width for _, width in found)
    return Measurement(value=value, numerical=width + 1e-9), quantities


def _margin_case(setting: Setting, path: FloatArray) -> tuple[Measurement, dict[str, Any]]:
    """The least a - b^2 of the run."""
    margins = path[:, 0] - path[:, 1] ** 2
    u = float(margins[0])
    s2 = setting.options["s2"]
    quantities = {
        "projected": True,
        "margin": setting.options.get("margin", 0.0),
        "exact_ascent": True,
        "initial_gap": (s2 * u - 1.0 - math.log(s2 * u)) / 2.0,
        "data_second_moment": s2,
    }
    return Measurement(value=float(margins.min()), numerical=1e-10), quantities


def evaluate(setting: Setting, asked: Sequence[Case], context: Context) -> Evidence:
    """The largest log Z, or the least a - b^2, of the run."""
    path = _path(setting, asked[0].run)
    outcomes: dict[Case, Outcome | NotApplicable] = {}
    for case in asked:
        theorem = THEOREMS[case.part]
        if case.part in (BOUND, ATTAINED):
            measured, quantities = _bound_case(_members(setting, path))
        else:
            measured, quantities = _margin_case(setting, path)
        outcomes[case] = confront(
            case,
            measured,
            theorem,
            quantities,
            resolution=1e-3 * abs(theorem.forced_bound(**quantities)),
            variants=VARIANTS,
            perturbed=(smaller if case.relation is Relation.AT_MOST else larger)(
                theorem, quantities
            ),
        )
    return Evidence(outcomes=outcomes)


claim = Claim(
    name=NAME,
    title="The normaliser stays finite along a run",
    theorems=tuple(THEOREMS.values()),
    controls={**sentences(VARIANTS), **MUTANTS},
    settings=settings,
    cases=cases,
    evaluate=evaluate,
)
