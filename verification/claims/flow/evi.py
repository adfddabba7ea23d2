"""Evolution variational inequality along the flow, for Hess U >= K with K of either sign.

    W2^2(mu_t,nu)/2 <= e^{-Kt} W2^2(mu_0,nu)/2 + int_0^t e^{-K(t-r)} (KL(nu|pi) - KL(mu_r|pi)) dr.

Grid: both laws on the same cells; quantile transport, relative entropies, Gauss-Legendre in time.
Closed form: Gaussians in two dimensions. Companion EQUAL: translates of a Gaussian. Forced
control: K = 0 between two wells, where K is negative.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.constant import Constant
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import Energy, JointEnergy
from lvebm_theory.theorem import Relation
from lvebm_theory.theorems.flow import evolution_variational_inequality as statements

from ...claim import Case, Claim, Context, Evidence, NotApplicable, Outcome, Setting, Witness
from ...confront import confront, require, smaller, third_of_distance
from ...controls.variants import quantities_replaced, sentences
from ...defaults import length_of, moved
from ...measurement import Measurement
from ...subjects import adapted, energy_of, start_of

NAME = "evi"
VARIANTS = {
    "distance-halved": quantities_replaced(
        lambda q: {"initial_w2": 0.5**0.5 * q["initial_w2"]},
        "the initial W2^2/2 halved once more",
    ),
}
CONVEX_ONLY = {
    "convexity-doubled": quantities_replaced(
        lambda q: {"convexity": Constant.exact(2.0 * q["convexity"].lower, "doubled")},
        "K replaced by 2K, for K > 0",
    ),
}
FORCED = {
    "convexity-dropped": quantities_replaced(
        lambda q: {"convexity": Constant.exact(0.0, "dropped")},
        "K = 0 where K < 0",
    ),
}
CONTROLS = {**VARIANTS, **CONVEX_ONLY, **FORCED}
NODES = (8, 6)  # Gauss-Legendre points per panel, and fewer for the width
FLOOR = 1e-6  # of W2^2/2, from the rounding of cell masses, in squared lengths of the energy


@dataclass(frozen=True, kw_only=True)
class _Terms:
    """Everything the inequality needs at one time t."""

    w2: Measurement
    initial_w2: Measurement
    weighted_excess: Callable[[float], float]
    weighted_width: Callable[[float], float]


def settings() -> list[Setting]:
    """Translates, a convex energy, wells with K < 0, and two wells with K dropped."""
    from lvebm_theory.energies.cosine_perturbed import cosine_perturbed
    from lvebm_theory.energies.double_well import double_well
    from lvebm_theory.energies.quadratic import quadratic

    return [
        Setting(
            name="translates-of-gaussian",
            subject=quadratic(precision=1.0),
            start=InitialLaw.normal(1.5, 1.0),
            times=(0.5, 1.0),
            options={
                "reference": InitialLaw.normal(-0.5, 1.0),
                "equality": True,
                "controls": (*VARIANTS, *CONVEX_ONLY),
            },
            with_controls=True,
        ),
        Setting(
            name="convex",
            subject=cosine_perturbed(amplitude=0.15),
            start=InitialLaw.normal(1.5, 0.5),
            times=(0.5, 1.0),
            options={"reference": InitialLaw.normal(-0.5, 0.8)},
        ),
        Setting(
            name="gaussians-in-two-dimensions",
            subject=quadratic(precision=np.array([[1.5, -0.6], [-0.6, 1.2]]), mean=np.zeros(2)),
            start=InitialLaw.normal([1.0, 0.5], [0.7, 1.1]),
            times=(0.5, 1.0),
            options={
                "reference": InitialLaw.normal([-0.5, 0.5], [0.9, 0.8]),
                "witness": "closed-form",
            },
        ),
        Setting(
            name="double-well",
            subject=double_well(b=0.5),
            start=InitialLaw.normal(1.5, 0.4),
            times=(0.2, 0.5),
            options={"reference": InitialLaw.normal(0.0, 1.0)},
        ),
        Setting(
            name="two-wells",
            subject=double_well(b=4.0),
            start=InitialLaw.normal(-1.0, 0.2),
            times=(0.5,),
            options={
                "reference": InitialLaw.mixture((0.5, -1.0, 0.2), (0.5, 1.0, 0.2)),
                "controls": tuple(FORCED),
            },
            with_controls=True,
        ),
    ]


def cases(setting: Setting, backend: Literal["numba", "torch"]) -> list[Case]:
    """One case per time, and the controls that the setting names."""
    witness: Witness = setting.options.get("witness", "grid")
    relations = [Relation.AT_MOST]
    if setting.options.get("equality", False):
        relations.append(Relation.EQUAL)
    planned = [
        Case(quantity="W2^2/2", relation=relation, witness=witness, time=time)
        for relation in relations
        for time in setting.times
    ]
    if setting.with_controls:
        planned += [
            Case(
                quantity="W2^2/2",
                relation=relation,
                witness=witness,
                time=setting.times[-1],
                control=control,
            )
            for relation in relations
            for control in setting.options["controls"]
        ]
    return planned


def evaluate(setting: Setting, asked: Sequence[Case], context: Context) -> Evidence:
    """W2^2(mu_t, nu)/2 against the right-hand side."""
    from lvebm_theory.constants import constants_of

    energy = energy_of(setting)
    convexity = constants_of(energy).convexity
    require(statements.theorem, convexity=convexity, smooth=energy.smooth)
    times = sorted({float(case.time or 0.0) for case in asked})
    measure = _closed_form if asked[0].witness == "closed-form" else _on_grid
    terms = dict(zip(times, measure(setting, times, abs(convexity.lower)), strict=True))
    outcomes: dict[Case, Outcome | NotApplicable] = {}
    for case in asked:
        time = float(case.time or 0.0)
        equal = case.relation is Relation.EQUAL
        theorem = statements.translates_of_gaussian if equal else statements.theorem
        outcomes[case] = _outcome(case, theorem, time, terms[time], convexity, setting)
    return Evidence(outcomes=outcomes)


def _outcome(
    case: Case, theorem: Any, time: float, term: _Terms, convexity: Constant, setting: Setting
) -> Outcome:
    q = {
        "convexity": convexity,
        "elapsed": time,
        "initial_w2": term.initial_w2.value,
        "weighted_excess": term.weighted_excess,
        "smooth": energy_of(setting).smooth,
        "translate_of_gaussian": setting.options.get("equality", False),
    }
    k = convexity.lower
    inherited = (
        np.exp(-k * time) * term.initial_w2.value * term.initial_w2.half_width
        + term.weighted_width(k)
        + term.w2.value * term.w2.half_width
    )
    bound = theorem.forced_bound(**q)
    wrong = [variant.bound(theorem, q) for variant in VARIANTS.values()]
    floor = FLOOR * length_of(energy_of(setting)) ** 2
    return confront(
        case,
        Measurement(value=0.5 * term.w2.value**2, numerical=float(inherited)),
        theorem,
        q,
        resolution=max(third_of_distance(bound, *wrong), floor),
        variants=CONTROLS,
        perturbed=smaller(theorem, q),
    )


@dataclass(frozen=True, kw_only=True)
class _Rule:
    """Nodes and weights on [0, t], the finer rule first; ``fine`` counts its nodes."""

    nodes: FloatArray
    weights: FloatArray
    fine: int

    @classmethod
    def on(cls, time: float, rate: float) -> _Rule:
        """Panels that halve toward both ends until they resolve e^{-rate r} there."""
        halvings = max(1, int(np.ceil(np.log2(max(4.0, 4.0 * rate * time)))))
        left = 0.5 * time * 2.0 ** -np.arange(halvings, -1, -1.0)
        panels = np.unique(np.concatenate([[0.0], left, time - left, [time]]))
        nodes, weights = [], []
        for count in NODES:
            x, w = np.polynomial.legendre.leggauss(count)
            half = np.diff(panels) / 2
            nodes.append(((panels[:-1] + half)[:, None] + half[:, None] * x).ravel())
            weights.append((half[:, None] * w).ravel())
        return cls(nodes=np.concatenate(nodes), weights=np.concatenate(weights), fine=nodes[0].size)


def _excess(
    time: float, rule: _Rule, values: FloatArray, widths: FloatArray, reference: Measurement
) -> tuple[Callable[[float], float], Callable[[float], float]]:
    """k -> int_0^t e^{-k(t-r)} (KL(nu) - KL(mu_r)) dr, and its half-width."""
    finer, coarser = slice(0, rule.fine), slice(rule.fine, None)

    def kernel(k: float, part: slice) -> FloatArray:
        return np.asarray(rule.weights[part] * np.exp(-k * (time - rule.nodes[part])))

    def integral(k: float, part: slice = finer) -> float:
        return float(kernel(k, part) @ (reference.value - values[part]))

    def width(k: float) -> float:
        in_time = abs(integral(k) - integral(k, coarser))
        return float(kernel(k, finer) @ (widths[finer] + reference.half_width) + in_time)

    return integral, width


def _on_grid(setting: Setting, times: Sequence[float], rate: float) -> list[_Terms]:
    from ...grid_witness import curve, of_levels, on_one_grid, transport_rounding, w2_between

    rules = {time: _Rule.on(time, rate) for time in times}
    everything = sorted({*times, *(float(r) for rule in rules.values() for r in rule.nodes)})
    path, still = on_one_grid(
        energy_of(setting),
        [start_of(setting), setting.options["reference"]],
        everything,
        claim=NAME,
    )
    entropy = curve(path, "KL")
    reference = curve(still, "KL").at(0.0)
    values, widths = of_levels(
        [path, still], lambda s: [w2_between(state, s[1][0]) for state in s[0]]
    )
    widths = widths + transport_rounding(path)

    def w2(time: float) -> Measurement:
        k = entropy.index(time)
        return Measurement(value=float(values[k]), numerical=float(widths[k]))

    found = []
    for time in times:
        places = [entropy.index(float(r)) for r in rules[time].nodes]
        excess, width = _excess(
            time, rules[time], entropy.values[places], entropy.numerical[places], reference
        )
        found.append(
            _Terms(w2=w2(time), initial_w2=w2(0.0), weighted_excess=excess, weighted_width=width)
        )
    return found


def _closed_form(setting: Setting, times: Sequence[float], rate: float) -> list[_Terms]:
    from lvebm_theory import gaussian
    from lvebm_theory.gaussian import Gaussian

    from ... import closed_form_witness

    energy, start = energy_of(setting), start_of(setting)
    other = Gaussian.matching(setting.options["reference"])
    rounding = 1e-12
    found = []
    for time in times:
        rule = _Rule.on(time, rate)
        laws, target = closed_form_witness.laws(
            energy, start, [0.0, time, *rule.nodes.tolist()], claim=NAME
        )
        entropy = np.array([gaussian.relative_entropy(law, target) for law in laws[2:]])
        reference = Measurement(value=gaussian.relative_entropy(other, target), numerical=rounding)
        excess, width = _excess(time, rule, entropy, np.full_like(entropy, rounding), reference)
        first, last = (
            Measurement(value=gaussian.wasserstein(law, other), numerical=rounding)
            for law in laws[:2]
        )
        found.append(
            _Terms(w2=last, initial_w2=first, weighted_excess=excess, weighted_width=width)
        )
    return found


def adapt(
    subject: Energy | JointEnergy, start: InitialLaw | None, times: tuple[float, ...]
) -> Setting:
    """Any smooth energy on the line; the reference is the start, moved by the energy's length."""
    setting = adapted(NAME, subject, start, times, largest_dimension=1)
    return replace(setting, options={"reference": moved(start_of(setting), energy_of(setting))})


claim = Claim(
    name=NAME,
    title="Evolution variational inequality along the flow, Hess U >= K",
    theorems=(statements.theorem, statements.translates_of_gaussian),
    controls=sentences(CONTROLS),
    settings=settings,
    cases=cases,
    evaluate=evaluate,
    adapt=adapt,
)
