"""During training the flow's ELBO exceeds that of every Gaussian encoder, trained to optimality.

Grid: the mean-field run of a model whose posteriors have two modes; at each checkpoint the least
divergence of any Gaussian from each posterior, bounded from below by branch and bound. The bound on
the latents' lag rests on one log-Sobolev constant for every theta and datum. Where the posterior is
Gaussian the statement is void, and forced it is refuted.
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
from lvebm_theory.theorems.learning import elbo_during_training as statements
from lvebm_theory.theorems.learning import tracking

from ...claim import Case, Claim, Context, Evidence, NotApplicable, Outcome, Setting, Witness
from ...confront import confront, smaller
from ...controls.variants import FalseVariant
from ...curves import Curve, dataset
from ..latent.gaussian_encoder import best_gaussian
from ..latent.joint_subjects import as_joint, log_integral

NAME = "elbo-during-training"
TIGHTER, LAG = "tighter", "lag"
THEOREMS: dict[str, Theorem] = {TIGHTER: statements.theorem, LAG: tracking.along_path}
TOO_EARLY, IN_FAMILY, SPEED_FORGOTTEN = "too-early", "posterior-in-family", "theta-at-rest"
CONTROLS = {
    TOO_EARLY: "tighter already after a tenth of the latents' time, the condition ignored",
    IN_FAMILY: "tighter although the posterior is Gaussian (g = 0), forced",
    SPEED_FORGOTTEN: "the latents' lag without the motion of theta",
}
VARIANTS = {
    SPEED_FORGOTTEN: FalseVariant(
        sentence=CONTROLS[SPEED_FORGOTTEN],
        bound=lambda theorem, q: theorem.forced_bound(**{**q, "weighted_speed": lambda rate: 0.0}),
    )
}
EARLY = 0.1


def settings() -> list[Setting]:
    """Two-moded posteriors on grids, and Gaussian posteriors in closed form."""
    from lvebm_theory.energies.bimodal_posterior import bimodal_posterior
    from lvebm_theory.energies.linear_gaussian import linear_gaussian_directed

    return [
        Setting(
            name="two-modes",
            subject=bimodal_posterior(t=0.8, b=0.7, noise=0.3),
            start=InitialLaw.normal([0.0, 0.0], [0.8, 0.8]),
            times=(6.0,),
            options={
                "data": (0.6, -0.6),
                "eta": 0.3,
                "latent_speed": 2.0,
                "conditional_start": InitialLaw.normal(0.8, 0.35),
                "learned": ("t",),
            },
            with_controls=True,
        ),
        Setting(
            name="gaussian-posterior",
            subject=linear_gaussian_directed(t=1.2, noise=0.3),
            start=InitialLaw.normal([0.0, 0.0], [0.8, 0.8]),
            times=(0.5, 4.0),
            options={
                "data": (0.9, -0.9),
                "eta": 2.0,
                "latent_speed": 1.0,
                "conditional_start": InitialLaw.normal(0.0, 0.2),
                "learned": ("t",),
            },
            with_controls=True,
        ),
    ]


def cases(setting: Setting, backend: Literal["numba", "torch"]) -> list[Case]:
    """Both statements at every checkpoint; what must be refuted."""
    two_modes = setting.name == "two-modes"
    witness: Witness = "grid" if two_modes else "closed-form"
    parts = (TIGHTER, LAG) if two_modes else (LAG,)
    found = [_case(part, witness, time) for part in parts for time in setting.times]
    if setting.with_controls and two_modes:
        found.append(_case(TIGHTER, witness, EARLY, TOO_EARLY))
    elif setting.with_controls:
        found.append(_case(TIGHTER, witness, setting.times[0], IN_FAMILY))
        found.append(_case(LAG, witness, setting.times[-1], SPEED_FORGOTTEN))
    return found


def _case(part: str, witness: Witness, time: float, control: str | None = None) -> Case:
    return Case(
        quantity="KL" if part == TIGHTER else "root KL",
        part=part,
        relation=Relation.AT_MOST,
        witness=witness,
        time=time,
        control=control,
    )


def _solve(setting: Setting, times: FloatArray, witness: str) -> Any:
    options = setting.options
    shared: dict[str, Any] = {
        "latent_start": options["conditional_start"],
        "pool_start": setting.start,
        "eta": options["eta"],
        "times": times,
        "latent_speed": options["latent_speed"],
        "learned": options["learned"],
    }
    energy, data = as_joint(NAME, setting.subject), np.array(options["data"])[:, None]
    if witness == "grid":
        from solvers.learning.mean_field import solve_mean_field

        return solve_mean_field(energy, data, **shared, cells=(40, 64, 64), step=0.25)
    from solvers.learning.closed_form import solve_closed_form

    return solve_closed_form(energy, data, **shared)


def posterior_log_sobolev(setting: Setting, t: float) -> Constant:
    """rho_q for every loading at least ``t`` in size and every datum.

    Double-well prior: Holley-Stroock on the well with the parabola of curvature 4b(u - 1) glued
    inside |z| < sqrt(u), u = (1 + sqrt(1 + 2/b))/2; the likelihood adds the convex t^2/g.
    """
    parameters = as_joint(NAME, setting.subject).parameters
    convex = t * t / parameters["noise"]
    if "b" not in parameters:
        return Constant.exact(1.0 + convex, "Gaussian posterior, 1 + t^2/g at the least t")
    b = parameters["b"]
    u = (1.0 + math.sqrt(1.0 + 2.0 / b)) / 2.0
    value = (4.0 * b * (u - 1.0) + convex) * math.exp(-b * u * u)
    return Constant.exact(value, "Holley-Stroock on the well, plus t^2/g, at the least t")


def _speed(setting: Setting, path: Any, witness: str) -> FloatArray:
    """|theta'| = eta |g| along the run, d_t E = -(x - t z) z/g."""
    if witness != "grid":
        return np.asarray(setting.options["eta"] * np.abs(path.gradient()[:, 0]))
    noise = as_joint(NAME, setting.subject).parameters["noise"]

    def direction(state: Any) -> float:
        t, first, second = float(state.theta[0]), state.latent_plane, state.pool_plane
        conditional = first.weights[:, None] * state.latents * (first.x - t * first.z) * first.z
        joint = state.pool * (second.x - t * second.z) * second.z
        return float(conditional.sum() - joint.sum()) / noise

    values, widths = path.functional(direction)
    return np.asarray(setting.options["eta"] * (np.abs(values) + widths))


def _lipschitz(setting: Setting, path: Any, times: FloatArray, witness: str) -> FloatArray:
    """G(s): root mean square over data of (|x| + |t| (M(q_x) + M(posterior)))/g.

    |d_z d_t E| = |2 t z - x|/g and theorem gradient-error-growth on z alone; M is a root second
    moment.
    """
    noise = as_joint(NAME, setting.subject).parameters["noise"]
    data = np.array(setting.options["data"])
    found = []
    for k in range(len(times)):
        t = abs(float(path.theta[k, 0]))
        roots = (_roots_on_grid if witness == "grid" else _roots_in_closed_form)(path, k, data)
        found.append(np.sqrt(np.mean(((np.abs(data) + t * roots) / noise) ** 2)))
    return np.array(found)


def _roots_on_grid(path: Any, index: int, data: FloatArray) -> FloatArray:
    """M(q_x) + M(posterior) for every datum, on the finest grid; its rows are the data."""
    state = path.state(index)
    z = np.asarray(state.latent_plane.z).ravel()
    rows = [int(np.argmin(np.abs(np.asarray(state.latent_plane.x).ravel() - x))) for x in data]
    logs = -path.fields.potential(state.latent_plane.x, state.latent_plane.z, state.theta)[rows]
    gibbs = np.exp(logs - logs.max(axis=1, keepdims=True))
    gibbs /= gibbs.sum(axis=1, keepdims=True)
    return np.asarray(np.sqrt(state.latents[rows] @ z**2) + np.sqrt(gibbs @ z**2))


def _roots_in_closed_form(path: Any, index: int, data: FloatArray) -> FloatArray:
    state = path.states[index]
    model = path.family.model(state.theta)
    found = []
    for x in data:
        mean = float(state.latent_slope[0, 0] * x + state.latent_shift[0])
        posterior = model.conditional([0], [x])
        found.append(
            math.hypot(mean, math.sqrt(state.latent_covariance[0, 0]))
            + math.hypot(float(posterior.mean[0]), math.sqrt(posterior.covariance[0, 0]))
        )
    return np.array(found)


def _family_gap(setting: Setting, t: float) -> float:
    """E_data of the least KL of any Gaussian from the posterior, from below; 0 where Gaussian."""
    energy: Any = as_joint(NAME, setting.subject)
    if "b" not in energy.parameters:
        return 0.0
    found = {}
    for x in setting.options["data"]:
        # the prior is even: data of equal size have posteriors that are mirror images
        if abs(x) not in found:
            posterior = energy.with_parameters(t=t).conditional([abs(x)])
            found[abs(x)] = best_gaussian(posterior, log_integral(posterior)[0], 5e-3)[0]
    return float(np.mean([found[abs(x)] for x in setting.options["data"]]))


class _Run:
    """A run with everything that both statements need along it."""

    def __init__(self, setting: Setting, asked: Sequence[Case]) -> None:
        self.setting, witness = setting, asked[0].witness
        last = max(float(case.time or 0.0) for case in asked)
        # early times are close: theta and the latents move fastest there
        fine = last * np.linspace(0.0, 1.0, 25) ** 2
        times = np.array(sorted({*fine.tolist(), *(float(case.time or 0.0) for case in asked)}))
        path = _solve(setting, times, witness)
        values, widths = path.posterior_relative_entropy()
        self.times, self.theta = times, path.theta[:, 0]
        self.entropy = Curve(quantity="KL", times=times, values=values, numerical=widths + 1e-12)
        high, low = (np.sqrt(np.maximum(values + s * widths, 0.0)) for s in (1.0, -1.0))
        self.root = Curve(
            quantity="root KL",
            times=times,
            values=(high + low) / 2.0,
            numerical=(high - low) / 2.0 + 1e-9,
        )
        self.forcing = _speed(setting, path, witness) * _lipschitz(setting, path, times, witness)
        self.log_sobolev = posterior_log_sobolev(setting, float(np.abs(self.theta).min()))

    def quantities(self, time: float) -> dict[str, Any]:
        """Those of the bound on the lag."""

        def weighted(rate: float) -> float:
            """int e^{-rate (time - s)} |theta'| G ds, each piece at the larger of its ends."""
            s = self.times[self.times <= time + 1e-12]
            pieces = np.maximum(self.forcing[1 : len(s)], self.forcing[: len(s) - 1])
            weights = np.diff(np.exp(-rate * (time - s))) / rate
            return float(pieces @ weights)

        return {
            "log_sobolev": self.log_sobolev,
            "time": time,
            "phase_speed": self.setting.options["latent_speed"],
            "initial_root_entropy": self.root.at(0.0).upper,
            "weighted_speed": weighted,
        }


def evaluate(setting: Setting, asked: Sequence[Case], context: Context) -> Evidence:
    """E KL(q|posterior) along training against the best Gaussian's, and its root against y."""
    run = _Run(setting, asked)
    outcomes: dict[Case, Outcome | NotApplicable] = {}
    for case in asked:
        time = float(case.time or 0.0)
        quantities = run.quantities(time)
        lag = tracking.along_path.forced_bound(**quantities)
        if case.part == LAG:
            theorem, measured = tracking.along_path, run.root.at(time)
        else:
            theorem, measured = statements.theorem, run.entropy.at(time)
            loading = float(np.interp(time, run.times, run.theta))
            quantities |= {"family_gap": _family_gap(setting, loading), "tracking_bound": lag}
            if case.control is None and (broken := theorem.broken_assumptions(quantities)):
                outcomes[case] = NotApplicable(reason="; ".join(broken))
                continue
        outcomes[case] = confront(
            case,
            measured,
            theorem,
            quantities,
            resolution=0.01 * max(theorem.forced_bound(**quantities), 1e-6),
            variants=VARIANTS,
            forced=case.control is not None,
            perturbed=smaller(theorem, quantities),
        )
    return Evidence(
        outcomes=outcomes,
        dataset=dataset(
            run.entropy,
            {"lag_squared": lambda t: tracking.along_path.forced_bound(**run.quantities(t)) ** 2},
            setting=setting.name,
            witness=asked[0].witness,
            claim=NAME,
        ),
    )


claim = Claim(
    name=NAME,
    title="During training the flow's ELBO exceeds that of every Gaussian encoder",
    theorems=(statements.theorem, tracking.along_path),
    controls=CONTROLS,
    settings=settings,
    cases=cases,
    evaluate=evaluate,
)
