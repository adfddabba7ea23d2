"""From a predicted time s* on, the flow's ELBO is strictly tighter than every restricted posterior.

Mean-field Gaussians: the best member is known in closed form, and so is its distance g. Gaussian
encoders of a posterior with two modes: g is bounded from below by branch and bound, datum by datum,
which holds for every amortised family with Gaussian members, affine encoders included. Where the
posterior lies in the family, g = 0: the theorem does not apply, and forced it is refuted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lvebm_theory import gaussian
from lvebm_theory.constant import Constant, How
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import Energy, JointEnergy
from lvebm_theory.theorem import Relation
from lvebm_theory.theorems.latent import elbo_strictly_tighter as statements

from ...claim import Case, Claim, Context, Evidence, NotApplicable, Outcome, Setting, Witness
from ...confront import confront
from ...controls.variants import FalseVariant
from ...curves import Curve, dataset
from ...measurement import Measurement
from .gaussian_encoder import best_gaussian
from .joint_subjects import log_integral

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "elbo-tightness"
TOO_EARLY, IN_FAMILY, NO_CORRELATION = "too-early", "posterior-in-family", "correlation-lost"
CONTROLS = {
    TOO_EARLY: "strictly tighter already at s*/20",
    IN_FAMILY: "strictly tighter although the posterior lies in the family (g = 0), forced",
    NO_CORRELATION: "the mean-field gap with log det Lambda of the diagonal part: g = 0",
}
# where the flow is observed, in units of s*
OBSERVED: Mapping[str, float] = {"at s*": 1.0, "at 2 s*": 2.0}
GAP = "mean-field gap"
_CORRELATED = ((1.0, 0.4, -0.3), (0.4, 1.5, -0.6), (-0.3, -0.6, 1.2))
_DIAGONAL = ((1.0, 0.4, -0.3), (0.4, 1.5, 0.0), (-0.3, 0.0, 1.2))
_ROUNDING = 1e-12


def settings() -> list[Setting]:
    """Correlated latents (a sharp start and a broad one), diagonal ones, and two modes."""
    from lvebm_theory.energies.linear_gaussian import linear_gaussian
    from lvebm_theory.energies.nonlinear_decoder import nonlinear_decoder

    correlated = linear_gaussian(precision=_CORRELATED)
    return [
        Setting(
            name="mean-field-sharp-start",
            subject=correlated,
            options={"family": "mean-field", "data": (0.5,), "witnesses": ("closed-form",)},
            with_controls=True,
        ),
        Setting(
            name="mean-field-broad-start",
            subject=correlated,
            start=InitialLaw.normal([2.0, -1.0], [1.0, 0.7]),
            options={"family": "mean-field", "data": (0.5,), "witnesses": ("closed-form", "grid")},
        ),
        Setting(
            name="posterior-in-family",
            subject=linear_gaussian(precision=_DIAGONAL),
            start=InitialLaw.normal([2.0, -1.0], [1.0, 0.7]),
            options={"family": "mean-field", "data": (0.5,), "witnesses": ("closed-form",)},
            with_controls=True,
        ),
        Setting(
            name="gaussian-encoder-two-modes",
            subject=nonlinear_decoder(curvature=1.0, noise=0.5),
            start=InitialLaw.normal(0.3, 1.0),
            options={"family": "encoder", "data": (0.3, 1.0, 2.0), "witnesses": ("grid",)},
        ),
    ]


def cases(setting: Setting, backend: Literal["numba", "torch"]) -> list[Case]:
    """KL at s* and 2 s*, the gap itself where it has a formula, and what must be refuted."""
    witnesses: Sequence[Witness] = setting.options["witnesses"]
    found = [
        Case(quantity="KL", part=part, relation=Relation.AT_MOST, witness=witness)
        for witness in witnesses
        for part in OBSERVED
    ]
    gap = Case(quantity="KL", part=GAP, relation=Relation.EQUAL, witness="closed-form")
    if setting.options["family"] == "mean-field":
        found.append(gap)
    if setting.with_controls:
        controls = [IN_FAMILY] if setting.name == "posterior-in-family" else [TOO_EARLY]
        found += [
            Case(
                quantity="KL",
                part=control,
                relation=Relation.AT_MOST,
                witness="closed-form",
                control=control,
            )
            for control in controls
        ]
        if setting.name != "posterior-in-family":
            found.append(
                Case(
                    quantity="KL",
                    part=GAP,
                    relation=Relation.EQUAL,
                    witness="closed-form",
                    control=NO_CORRELATION,
                )
            )
    return found


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What s* is made of: constants, KL_0 and a lower bound of g; and KL along the flow."""

    log_sobolev: Constant
    initial: float
    family_gap: float
    entropy_at: Callable[[Sequence[float]], Curve]

    @property
    def quantities(self) -> dict[str, Any]:
        """Of the theorem, without the time."""
        return {
            "log_sobolev": self.log_sobolev,
            "initial_relative_entropy": self.initial,
            "family_gap": self.family_gap,
        }


def _posterior(energy: Energy) -> gaussian.Gaussian:
    origin = np.zeros((1, energy.dim))
    precision = energy.hessian(origin)[0]
    return gaussian.Gaussian.from_precision(
        -np.linalg.solve(precision, energy.gradient(origin)[0]), precision
    )


def _sharp_start(target: gaussian.Gaussian) -> gaussian.Gaussian:
    """A translate along the softest direction: KL falls at exactly e^{-2 rho s}."""
    _, vectors = np.linalg.eigh(target.precision)
    return gaussian.Gaussian(target.mean + 3.0 * vectors[:, 0], target.covariance)


def _mean_field(setting: Setting, witness: str) -> Problem:
    assert isinstance(setting.subject, JointEnergy)
    energy = setting.subject.conditional([setting.options["data"][0]])
    target = _posterior(energy)
    rho = Constant.exact(
        float(np.linalg.eigvalsh(target.precision)[0]), "Bakry-Emery, Gaussian posterior"
    )
    law = _sharp_start(target)
    if setting.start is not None:
        law = gaussian.Gaussian.matching(setting.start)

    def closed_form(times: Sequence[float]) -> Curve:
        values = np.array(
            [
                gaussian.relative_entropy(gaussian.langevin_flow(law, target, t), target)
                for t in times
            ]
        )
        return Curve(
            quantity="KL",
            times=np.asarray(times),
            values=values,
            numerical=_ROUNDING * (1 + values),
        )

    def on_grid(times: Sequence[float]) -> Curve:
        from ...grid_witness import curve, density_path

        assert setting.start is not None
        return curve(density_path(energy, setting.start, times, claim=NAME), "KL")

    return Problem(
        log_sobolev=rho,
        initial=gaussian.relative_entropy(law, target),
        # rounding of a difference of logarithms must not pass for a gap
        family_gap=max(0.0, statements.mean_field_gap(target.precision) - _ROUNDING),
        entropy_at=on_grid if witness == "grid" else closed_form,
    )


def _encoder(setting: Setting) -> Problem:
    from lvebm_theory.constants import constants_of

    from ...grid_witness import curve, density_path

    assert isinstance(setting.subject, JointEnergy)
    assert setting.start is not None
    start = setting.start
    posteriors = [setting.subject.conditional([x]) for x in setting.options["data"]]
    constants = [constants_of(energy).log_sobolev for energy in posteriors]
    gaps = [best_gaussian(energy, log_integral(energy)[0])[0] for energy in posteriors]

    def averaged(times: Sequence[float]) -> Curve:
        curves = [curve(density_path(e, start, times, claim=NAME), "KL") for e in posteriors]
        return Curve(
            quantity="KL",
            times=curves[0].times,
            values=np.mean([c.values for c in curves], axis=0),
            numerical=np.mean([c.numerical for c in curves], axis=0),
        )

    slowest = min(constants, key=lambda constant: constant.lower)
    return Problem(
        log_sobolev=Constant(
            value=slowest.value,
            lower=slowest.lower,
            upper=slowest.upper,
            how=How.weakest(*(constant.how for constant in constants)),
            source=f"least over the data: {slowest.source}",
        ),
        initial=averaged([1e-3]).at(0.0).upper,
        family_gap=float(np.mean(gaps)),
        entropy_at=averaged,
    )


def evaluate(setting: Setting, asked: Sequence[Case], context: Context) -> Evidence:
    """KL of the flow at multiples of s* against the least KL of the restricted family."""
    witness = asked[0].witness
    problem = (
        _encoder(setting)
        if setting.options["family"] == "encoder"
        else _mean_field(setting, witness)
    )
    q = problem.quantities
    void = not problem.family_gap > 0
    crossing = 3.0 if void else statements.crossing_time(**q)
    units = {**OBSERVED, TOO_EARLY: 0.05, IN_FAMILY: 1.0}
    shown = np.linspace(0.0, 2.0, 17)
    times = sorted({*(crossing * shown[1:]), *(crossing * u for u in units.values())})
    curve = problem.entropy_at(times)
    outcomes: dict[Case, Outcome | NotApplicable] = {}
    for case in asked:
        if case.part == GAP:
            outcomes[case] = _gap(setting, case)
            continue
        time = crossing * units[case.part]
        broken = statements.theorem.broken_assumptions({**q, "time": time})
        if broken and case.control is None:
            outcomes[case] = NotApplicable(reason="; ".join(broken))
            continue
        outcomes[case] = confront(
            case,
            curve.at(time),
            statements.theorem,
            {**q, "time": time},
            # at s* a sharp start stands exactly on the bound
            resolution=1e-6 * max(problem.family_gap, 1e-3),
            perturbed=lambda p: problem.family_gap / (1.0 + p),
            forced=case.control is not None,
        )
    return Evidence(
        outcomes=outcomes,
        dataset=dataset(
            curve,
            {"family_gap": lambda _: problem.family_gap},
            setting=setting.name,
            witness=witness,
            claim=NAME,
        ).assign_attrs(crossing_time=float(crossing)),
    )


def _gap(setting: Setting, case: Case) -> Outcome:
    """KL of the best product Gaussian, by its means and variances, against the formula."""
    assert isinstance(setting.subject, JointEnergy)
    target = _posterior(setting.subject.conditional([setting.options["data"][0]]))
    nearest = gaussian.Gaussian(target.mean, np.diag(1.0 / np.diag(target.precision)))
    value = gaussian.relative_entropy(nearest, target)
    quantities = {"precision": target.precision}
    return confront(
        case,
        Measurement(value=value, numerical=_ROUNDING * (1 + value)),
        statements.mean_field,
        quantities,
        resolution=1e-9,
        variants={
            NO_CORRELATION: FalseVariant(sentence=CONTROLS[NO_CORRELATION], bound=lambda *_: 0.0)
        },
        perturbed=lambda p: (1.0 + p) * statements.mean_field.forced_bound(**quantities),
    )


claim = Claim(
    name=NAME,
    title="The flow's ELBO becomes strictly tighter than the best restricted posterior",
    theorems=(statements.theorem, statements.mean_field),
    controls=CONTROLS,
    settings=settings,
    cases=cases,
    evaluate=evaluate,
)
