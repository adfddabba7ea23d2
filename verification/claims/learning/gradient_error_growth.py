"""Error of the parameter gradient where grad_theta E grows quadratically: linear-Gaussian energies.

Update direction: expectations on grids, and Gaussian moments in closed form. Truth: grad L in
closed form. Bound: W2 (Bures) and second moments of the Gaussian laws of both phases. Dilations of
the model attain it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from lvebm_theory import gaussian
from lvebm_theory.arrays import FloatArray
from lvebm_theory.initial import InitialLaw
from lvebm_theory.theorem import Relation, Theorem
from lvebm_theory.theorems.learning import gradient_error_growth as statement

from ...claim import Case, Claim, Context, Evidence, NotApplicable, Outcome, Setting, Witness
from ...confront import confront, larger, smaller, third_of_distance
from ...controls.variants import quantities_replaced, sentences
from ...measurement import Measurement
from ..latent.joint_subjects import as_joint

NAME = "gradient-error-growth"
CELLS = 96
VARIANTS = {
    "negative-phase-forgotten": quantities_replaced(
        lambda q: {"joint_w2": 0.0}, "the bound without the distance of the joint pool"
    ),
    "moment-of-the-model-alone": quantities_replaced(
        lambda q: {"joint_moment_roots": (q["joint_moment_roots"][1],) * 2},
        "M(p_theta) in place of the mean of M(p) and M(p_theta)",
    ),
}
MUTANTS = {"positive-phase-sign": "an update direction that adds its positive phase"}


def settings() -> list[Setting]:
    """A dilation, where the bound is attained; undirected and directed linear-Gaussian energies."""
    from lvebm_theory.energies.linear_gaussian import (
        linear_gaussian,
        linear_gaussian_directed,
        linear_gaussian_undirected,
    )

    r, t, noise = 1.3, 0.8, 0.9
    return [
        Setting(
            name="dilation",
            subject=linear_gaussian(dim_z=1, precision=((r, 0.0), (0.0, r))),
            start=InitialLaw.normal([0.0, 0.0], [2.0, 2.0]),
            times=(0.1, 0.5),
            options={
                "contrast": {"precision_0_0": 1.0, "precision_1_1": 1.0},
                "growth": 1.0,
                "data": (0.5, -0.5),
                "conditional_start": InitialLaw.normal(0.0, r**-0.5),
                "attained": True,
            },
            with_controls=True,
        ),
        Setting(
            name="undirected",
            subject=linear_gaussian_undirected(a=0.15, b=0.1),
            start=InitialLaw.normal([0.0, 0.0], [5.0, 1.5]),
            times=(0.3, 1.0),
            # |D grad_theta E|^2 = (2x^2 + z^2 + |z| sqrt(4x^2 + z^2))/2 <= (4/3)|w|^2
            options={
                "contrast": None,
                "growth": 2.0 / math.sqrt(3.0),
                "data": (1.5, -2.5),
                "conditional_start": InitialLaw.normal(0.2, 1.0),
            },
        ),
        Setting(
            name="directed",
            subject=linear_gaussian_directed(t=t, noise=noise),
            start=InitialLaw.normal([1.0, 1.0], [0.8, 0.8]),
            times=(0.3, 1.0),
            # D(d_t E) = ((0, -1), (-1, 2t)) w / g
            options={
                "contrast": {"t": 1.0},
                "growth": (t + math.hypot(1.0, t)) / noise,
                "data": (1.5, -0.8),
                "conditional_start": InitialLaw.normal(0.5, 1.2),
            },
        ),
    ]


def cases(setting: Setting, backend: Literal["numba", "torch"]) -> list[Case]:
    """The error at every time by both witnesses, EQUAL where attained; controls at the first."""
    witnesses: tuple[Witness, ...] = ("grid", "closed-form")
    relations = [Relation.AT_MOST]
    if setting.options.get("attained", False):
        relations.append(Relation.EQUAL)
    found = [
        Case(quantity="gradient", relation=relation, witness=witness, time=time)
        for witness in witnesses
        for relation in relations
        for time in setting.times
    ]
    if setting.with_controls:
        found += [
            Case(
                quantity="gradient",
                relation=Relation.AT_MOST,
                witness=witness,
                time=setting.times[0],
                control=control,
            )
            for witness in witnesses
            for control in VARIANTS
        ]
        found += [
            Case(
                quantity="gradient",
                relation=Relation.AT_MOST,
                witness="closed-form",
                time=setting.times[-1],
                control=mutant,
                run=mutant,
            )
            for mutant in MUTANTS
        ]
    return found


class _Learner:
    """Both phases of a setting at fixed theta, every law Gaussian."""

    def __init__(self, setting: Setting) -> None:
        from solvers.learning.gaussian_family import GaussianFamily

        energy: Any = as_joint(NAME, setting.subject)
        contrast: Mapping[str, float] | None = setting.options["contrast"]
        self.energy, self.setting = energy, setting
        self.family = GaussianFamily.of(energy, None if contrast is None else tuple(contrast))
        self.names = self.family.names
        self.weights = None if contrast is None else np.array([contrast[n] for n in self.names])
        self.model = self.family.model(self.family.theta)
        assert setting.start is not None
        self.pool_start = gaussian.Gaussian.matching(setting.start)
        self.latent_start = gaussian.Gaussian.matching(setting.options["conditional_start"])

    def laws(self, time: float) -> tuple[gaussian.Gaussian, list[tuple[Any, Any]]]:
        """The pool, and for each datum its latents and its posterior."""
        pool = gaussian.langevin_flow(self.pool_start, self.model, time)
        pairs = []
        for x in self.setting.options["data"]:
            posterior = self.model.conditional([0], [x])
            pairs.append((gaussian.langevin_flow(self.latent_start, posterior, time), posterior))
        return pool, pairs

    def quantities(self, time: float) -> dict[str, Any]:
        """Those of the theorem."""
        pool, pairs = self.laws(time)
        data = self.setting.options["data"]
        return {
            "growth_offset": 0.0,
            "growth_slope": self.setting.options["growth"],
            "conditional_w2": [gaussian.wasserstein(q, post) for q, post in pairs],
            "conditional_moment_roots": [
                [math.hypot(x, _moment_root(law)) for law in pair]
                for x, pair in zip(data, pairs, strict=True)
            ],
            "joint_w2": gaussian.wasserstein(pool, self.model),
            "joint_moment_roots": (_moment_root(pool), _moment_root(self.model)),
            "dilation": bool(self.setting.options.get("attained", False)),
        }

    def gradient(self) -> FloatArray:
        """grad L, (p,)."""
        from solvers.learning.gaussian_values import DataMoments, likelihood_gradient

        data = DataMoments.of(np.array(self.setting.options["data"])[:, None], 1)
        return likelihood_gradient(self.family, self.family.theta, data)

    def size(self, difference: FloatArray) -> float:
        """|c' difference| for a contrast, else the norm."""
        if self.weights is None:
            return float(np.linalg.norm(difference))
        return float(abs(self.weights @ difference))

    def in_closed_form(self, time: float, positive: float) -> FloatArray:
        """The update direction (p,) by 4-point quadrature: exact, as grad_theta E is quadratic."""
        pool, pairs = self.laws(time)
        total = self._mean(pool, None)
        data = self.setting.options["data"]
        for x, (q, _) in zip(data, pairs, strict=True):
            total = total + positive * self._mean(q, x) / len(data)
        return total

    def _mean(self, law: gaussian.Gaussian, x: float | None) -> FloatArray:
        nodes, weights = np.polynomial.hermite_e.hermegauss(4)
        mesh = np.stack([a.ravel() for a in np.meshgrid(*[nodes] * law.dim)], axis=1)
        w = np.ones(1)
        for _ in range(law.dim):
            w = np.multiply.outer(w, weights / weights.sum())
        points = law.push_normals(mesh)
        first = points[:, :1] if x is None else np.full((len(points), 1), x)
        slopes = self.energy.parameter_gradient(first, points[:, -1:])
        return np.asarray(w.ravel() @ slopes[:, self.places])

    @property
    def places(self) -> list[int]:
        """Places of the learned parameters."""
        names = list(self.energy.parameters)
        return [names.index(name) for name in self.names]

    def on_grid(self, times: Sequence[float]) -> tuple[FloatArray, FloatArray]:
        """The update direction (T, p) and its half-width (T,) by Fokker-Planck grids."""
        from ...grid_witness import density_path

        assert self.setting.start is not None
        data = self.setting.options["data"]
        paths = [
            density_path(self.energy.joint(), self.setting.start, times, claim=NAME, cells=CELLS)
        ]
        paths += [
            density_path(
                self.energy.conditional([x]),
                self.setting.options["conditional_start"],
                times,
                claim=NAME,
            )
            for x in data
        ]
        columns, widths = [], np.zeros(len(paths[0].times))
        for k in self.places:

            def component(*w: FloatArray, k: int = k) -> FloatArray:
                x, z = np.broadcast_arrays(*w)
                flat = self.energy.parameter_gradient(x.reshape(-1, 1), z.reshape(-1, 1))
                return np.asarray(flat[:, k].reshape(x.shape))

            value, width = paths[0].expectation(component)
            for x, path in zip(data, paths[1:], strict=True):
                term, spread = path.expectation(lambda z, x=x, f=component: f(np.array(x), z))
                value, width = value - term / len(data), width + spread / len(data)
            columns.append(value)
            widths = widths + width
        shown = [int(np.argmin(np.abs(paths[0].times - t))) for t in times]
        return np.stack(columns, axis=1)[shown], widths[shown]


def _moment_root(law: gaussian.Gaussian) -> float:
    return math.sqrt(float(law.mean @ law.mean + np.trace(law.covariance)))


def evaluate(setting: Setting, asked: Sequence[Case], context: Context) -> Evidence:
    """|update direction - grad L| against distances and second moments."""
    learner = _Learner(setting)
    truth = learner.gradient()
    times = sorted({float(case.time or 0.0) for case in asked})
    if asked[0].witness == "grid":
        directions, widths = learner.on_grid(times)
    else:
        sign = 1.0 if asked[0].run in MUTANTS else -1.0
        directions = np.array([learner.in_closed_form(t, sign) for t in times])
        widths = 1e-12 * (1.0 + np.abs(directions).max(axis=1))
    outcomes: dict[Case, Outcome | NotApplicable] = {}
    for case in asked:
        k = times.index(float(case.time or 0.0))
        equal = case.relation is Relation.EQUAL
        theorem: Theorem = statement.dilations if equal else statement.theorem
        quantities = learner.quantities(times[k])
        true = theorem.forced_bound(**quantities)
        wrong = [variant.bound(theorem, quantities) for variant in VARIANTS.values()]
        outcomes[case] = confront(
            case,
            Measurement(
                value=learner.size(directions[k] - truth), numerical=float(widths[k]) + 1e-12
            ),
            theorem,
            quantities,
            resolution=min(third_of_distance(true, *wrong), 0.01 * true),
            variants=VARIANTS,
            perturbed=(larger if equal else smaller)(theorem, quantities),
        )
    return Evidence(outcomes=outcomes)


claim = Claim(
    name=NAME,
    title="Error of the parameter gradient of at most quadratic growth",
    theorems=(statement.theorem, statement.dilations),
    controls={**sentences(VARIANTS), **MUTANTS},
    settings=settings,
    cases=cases,
    evaluate=evaluate,
)
