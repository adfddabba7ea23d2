"""Error of the parameter gradient before the inner flows have converged, on a location family.

Update direction: E_p grad_theta E - E_data E_{q_x} grad_theta E at time s of both flows, by grids
and by particles. Truth: grad L by differences of the log-likelihood, itself by quadrature. Bound:
G ( E_data W2(q_x, posterior) + W2(p, model) ), W2 of the conditional phase exactly by quantiles and
of the joint phase from below (Gelbrich), which makes the confrontation stricter than the theorem.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lvebm_theory import gaussian
from lvebm_theory.arrays import FloatArray
from lvebm_theory.constant import Constant
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import Energy
from lvebm_theory.theorem import Relation
from lvebm_theory.theorems.latent import gradient_error as statement

from ...claim import Case, Claim, Context, Evidence, NotApplicable, Outcome, Setting, Witness
from ...confront import confront, smaller, third_of_distance
from ...controls.variants import quantities_replaced, sentences, value_multiplied
from ...measurement import Measurement
from .joint_subjects import as_joint, log_likelihood

if TYPE_CHECKING:
    from lvebm_theory.joint import FormulaJointEnergy
    from solvers.densities import DensityPath


NAME = "gradient-error"
LOCATION = ("theta_1", "theta_2")
VARIANTS = {
    "negative-phase-forgotten": quantities_replaced(
        lambda q: {"joint_w2": 0.0}, "the bound without the distance of the joint pool"
    ),
    "constant-halved": value_multiplied(0.5, "half of the Lipschitz constant"),
}
MUTANTS = {"positive-phase-sign": "an update direction that adds its positive phase"}
DIFFERENCE = 1e-2


def settings() -> list[Setting]:
    """A Gaussian family where the bound is attained, and one that is not Gaussian."""
    from lvebm_theory.energies.location_family import location_family

    return [
        Setting(
            name="aligned-translates",
            subject=location_family(theta_1=0.3, theta_2=-0.2, stiffness=1.0, coupling=0.0),
            start=InitialLaw.normal([0.3, 1.3], [1.0, 1.0]),
            times=(0.3, 1.0, 4.0),
            options={
                "data": (0.8, -0.5),
                "conditional_start": InitialLaw.normal(-1.4, 1.0),
            },
            with_controls=True,
        ),
        Setting(
            name="coupled-cosines",
            subject=location_family(theta_1=0.3, theta_2=-0.2, stiffness=1.0, coupling=0.6),
            start=InitialLaw.normal([1.0, 1.0], [0.6, 0.8]),
            times=(0.3, 1.0),
            options={
                "data": (0.8, -0.5),
                "conditional_start": InitialLaw.normal(-1.0, 0.5),
                "particles": False,
            },
        ),
    ]


def cases(setting: Setting, backend: Literal["numba", "torch"]) -> list[Case]:
    """The error at every time; false variants at the first; a wrong learner at the last."""
    witnesses: list[Witness] = ["grid"]
    if setting.options.get("particles", True):
        witnesses.append(backend)
    found = [
        Case(quantity="gradient", relation=Relation.AT_MOST, witness=witness, time=time)
        for witness in witnesses
        for time in (setting.times if witness == "grid" else setting.times[:2])
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
                witness="grid",
                time=setting.times[-1],
                control=mutant,
                run=mutant,
            )
            for mutant in MUTANTS
        ]
    return found


def indices(energy: FormulaJointEnergy) -> list[int]:
    """Places of theta_1 and theta_2 among the parameters."""
    names = list(energy.parameters)
    return [names.index(name) for name in LOCATION]


def true_gradient(energy: FormulaJointEnergy, data: FloatArray) -> tuple[FloatArray, float]:
    """grad L in (theta_1, theta_2) by fourth-order differences, and its half-width."""
    slopes, widths = [], []
    for name in LOCATION:
        here = energy.parameters[name]
        values = {}
        for step in (-2, -1, 1, 2):
            moved = energy.with_parameters(**{name: here + step * DIFFERENCE})
            values[step], width = log_likelihood(moved, data)
        narrow = (values[1] - values[-1]) / (2 * DIFFERENCE)
        wide = (values[2] - values[-2]) / (4 * DIFFERENCE)
        slopes.append((4 * narrow - wide) / 3)
        widths.append(abs(narrow - wide) * DIFFERENCE**2 + 2 * width / DIFFERENCE)
    return np.array(slopes), float(np.sum(widths))


def conditional_paths(
    energy: FormulaJointEnergy, setting: Setting, times: Sequence[float]
) -> list[DensityPath]:
    """The conditional flows, datum by datum, from the setting's conditional start."""
    from ...grid_witness import density_path

    return [
        density_path(
            energy.conditional([x]), setting.options["conditional_start"], times, claim=NAME
        )
        for x in setting.options["data"]
    ]


def _moments(path: DensityPath, index: int, energy: Energy) -> tuple[gaussian.Gaussian, float]:
    """Mean and covariance along the joint path, and the half-width of the means."""
    functions = [lambda x, z: x, lambda x, z: z]
    functions += [lambda x, z: x * x, lambda x, z: x * z, lambda x, z: z * z]
    values, widths = zip(*(path.expectation(f) for f in functions), strict=True)
    m = np.array([values[0][index], values[1][index]])
    xx, xz, zz = (values[k][index] for k in (2, 3, 4))
    second = np.array([[xx, xz], [xz, zz]])
    return gaussian.Gaussian(m, second - np.outer(m, m)), float(sum(w[index] for w in widths))


def _equilibrium(energy: FormulaJointEnergy) -> gaussian.Gaussian:
    """Mean and covariance of the model, by the trapezoidal rule."""
    from lvebm_theory.certified import truncation_box
    from lvebm_theory.errors import AssumptionError

    joint = energy.joint()
    box = truncation_box(joint)
    if box is None:
        raise AssumptionError(NAME, ["tails light enough for a box"])
    axes = [np.linspace(low, high, 801) for low, high in box]
    mesh = np.stack([a.ravel() for a in np.meshgrid(*axes, indexing="ij")], axis=1)
    u = joint.potential(mesh)
    weights = np.exp(-(u - u.min()))
    weights /= weights.sum()
    mean = weights @ mesh
    return gaussian.Gaussian(mean, (weights[:, None] * (mesh - mean)).T @ (mesh - mean))


def direction_on_grid(
    energy: FormulaJointEnergy,
    joint: DensityPath,
    conditionals: Sequence[DensityPath],
    data: Sequence[float],
    positive: float,
) -> tuple[FloatArray, FloatArray]:
    """The update direction (T, 2) and its half-width (T,), by expectations on grids.

    ``positive`` is the sign of the positive phase: -1, but for the wrong learner.
    """
    directions, widths = [], np.zeros(len(joint.times))
    for k in indices(energy):

        def component(x: Any, z: Any, k: int = k) -> FloatArray:
            x, z = np.broadcast_arrays(x, z)
            flat = energy.parameter_gradient(x.reshape(-1, 1), z.reshape(-1, 1))
            return np.asarray(flat[:, k].reshape(x.shape))

        value, width = joint.expectation(component)
        total, error = value, width
        for x, path in zip(data, conditionals, strict=True):
            term, spread = path.expectation(lambda z, x=x, c=component: c(np.array(x), z))
            total = total + positive * term / len(data)
            error = error + spread / len(data)
        directions.append(total)
        widths = widths + error
    return np.stack(directions, axis=1), widths


def _direction_by_particles(
    energy: FormulaJointEnergy, setting: Setting, times: Sequence[float], context: Context
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The update direction (T, 2), its statistical and its numerical half-width (T,)."""
    from ...particle_witness import snapshots

    data = setting.options["data"]
    alpha = context.alpha / (2 * (1 + len(data)))
    assert setting.start is not None
    pools: list[tuple[Energy, InitialLaw, float, float | None]] = [
        (energy.joint(), setting.start, 1.0, None)
    ]
    pools += [
        (energy.conditional([x]), setting.options["conditional_start"], -1.0 / len(data), x)
        for x in data
    ]
    total = np.zeros((2, len(times), 2))
    statistical = np.zeros(len(times))
    from ...estimate.averages import mean

    for number, (pool, start, weight, x) in enumerate(pools):
        ensemble = snapshots(
            pool,
            start,
            times,
            context,
            stream=f"{NAME}/{setting.name}/{number}/{context.look}",
            step_size=0.02,
        )
        for row, positions in enumerate((ensemble.fine, ensemble.coarse)):
            for k, w in enumerate(positions):
                first = w[:, :1] if x is None else np.full((len(w), 1), x)
                slopes = energy.parameter_gradient(first, w[:, -1:])[:, indices(energy)]
                total[row, k] += weight * slopes.mean(axis=0)
                if row == 0:
                    statistical[k] += abs(weight) * sum(
                        mean(slopes[:, j], alpha).statistical for j in range(2)
                    )
    return total[0], statistical, np.linalg.norm(total[0] - total[1], axis=1)


def evaluate(setting: Setting, asked: Sequence[Case], context: Context) -> Evidence:
    """|update direction - grad L| against the bound from both distances."""
    from lvebm_theory.constants import constants_of

    from ...grid_witness import density_path

    energy: Any = as_joint(NAME, setting.subject)
    data = setting.options["data"]
    times = sorted({float(case.time or 0.0) for case in asked})
    lipschitz: Constant = constants_of(energy.joint()).smoothness
    assert setting.start is not None
    joint = density_path(energy.joint(), setting.start, times, claim=NAME)
    conditionals = conditional_paths(energy, setting, times)
    gradient, gradient_width = true_gradient(energy, np.array(data))
    model = _equilibrium(energy)
    mutated = asked[0].run in MUTANTS
    if asked[0].witness == "grid":
        direction, numerical = direction_on_grid(
            energy, joint, conditionals, data, 1.0 if mutated else -1.0
        )
        places = [int(np.argmin(np.abs(joint.times - t))) for t in times]
        direction, numerical = direction[places], numerical[places]
        statistical = np.zeros(len(times))
    else:
        direction, statistical, numerical = _direction_by_particles(energy, setting, times, context)
    outcomes: dict[Case, Outcome | NotApplicable] = {}
    for case in asked:
        k = times.index(float(case.time or 0.0))
        place = int(np.argmin(np.abs(joint.times - times[k])))
        law, spread = _moments(joint, place, energy.joint())
        distances = [path.w2_to_gibbs() for path in conditionals]
        quantities = {
            "parameter_gradient_lipschitz": lipschitz,
            "conditional_w2": float(np.mean([values[place] for values, _ in distances])),
            "joint_w2": gaussian.wasserstein(law, model),
        }
        inherited = lipschitz.upper * (
            float(np.mean([widths[place] for _, widths in distances])) + 4.0 * spread
        )
        true = statement.theorem.forced_bound(**quantities)
        wrong = [variant.bound(statement.theorem, quantities) for variant in VARIANTS.values()]
        outcomes[case] = confront(
            case,
            Measurement(
                value=float(np.linalg.norm(direction[k] - gradient)),
                statistical=float(statistical[k]),
                numerical=float(numerical[k]) + gradient_width + inherited + 1e-9,
                confidence=context.confidence if statistical[k] > 0 else 1.0,
            ),
            statement.theorem,
            quantities,
            resolution=min(
                third_of_distance(true, *wrong), (0.01 if case.witness == "grid" else 0.1) * true
            ),
            variants=VARIANTS,
            perturbed=smaller(statement.theorem, quantities),
        )
    return Evidence(outcomes=outcomes)


claim = Claim(
    name=NAME,
    title="Error of the parameter gradient, in W2 of the two phases",
    theorems=(statement.theorem,),
    controls={**sentences(VARIANTS), **MUTANTS},
    settings=settings,
    cases=cases,
    evaluate=evaluate,
)
