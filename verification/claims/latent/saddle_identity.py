"""The saddle identity: J = L - E_data KL(q_x|posterior) + KL(p|model), exactly.

J is evaluated from expected energies and entropies of Gaussian q_x and p, which know nothing of
normalisers. The right-hand side needs L, the posterior and Z: closed forms for quadratic E,
quadrature over z and over (x, z) otherwise. The two sides share no code but E itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from lvebm_theory import gaussian
from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import AssumptionError
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import Energy, JointEnergy
from lvebm_theory.theorem import Relation
from lvebm_theory.theorems.latent import saddle_identity as statement

from ...claim import Case, Claim, Context, Evidence, Setting, Witness
from ...confront import confront
from ...controls.variants import quantities_replaced, sentences
from ...defaults import frame
from ...measurement import Measurement
from .joint_subjects import as_joint, log_integral

NAME = "saddle-identity"
VARIANTS = {
    "elbo-reading": quantities_replaced(
        lambda q: {"model_relative_entropy": 0.0},
        "J = L - E KL(q|posterior): J read as an ELBO, the negative phase forgotten",
    ),
    "sign-exchanged": quantities_replaced(
        lambda q: {"model_relative_entropy": -q["model_relative_entropy"]},
        "KL(p|model) with the sign of the other relative entropy",
    ),
}
# the variants are off by KL(p|model), which the settings keep above 0.1
RESOLUTION = 1e-5


@dataclass(frozen=True, kw_only=True)
class Saddle:
    """Data x (n, 1) and the laws at which J is evaluated, Gaussian by moments.

    q_x = N(slope x + shift, sd^2), p = N(mean, diag(sds^2)) on (x, z).
    """

    data: FloatArray
    slope: float
    shift: float
    sd: float
    mean: FloatArray
    sds: FloatArray

    def posterior(self, x: float) -> gaussian.Gaussian:
        """q_x."""
        return gaussian.Gaussian(self.slope * x + self.shift, self.sd**2)

    def in_frame(self, centre: FloatArray, length: FloatArray) -> Saddle:
        """The same laws with (x, z) measured from a centre in lengths, each (2,)."""
        (c, d), (l, m) = centre, length
        slope = self.slope * m / l
        return Saddle(
            data=c + l * self.data,
            slope=slope,
            shift=d + m * self.shift - slope * c,
            sd=m * self.sd,
            mean=centre + length * self.mean,
            sds=length * self.sds,
        )

    @property
    def pool(self) -> gaussian.Gaussian:
        """p."""
        return gaussian.Gaussian(self.mean, self.sds**2)


_SADDLE = Saddle(
    data=np.array([[-1.3], [-0.4], [0.2], [1.1]]),
    slope=0.3,
    shift=0.2,
    sd=0.8,
    mean=np.array([0.3, -0.2]),
    sds=np.array([0.6, 0.7]),
)


def settings() -> list[Setting]:
    """A quadratic E in closed form and by quadrature, and two that are not quadratic."""
    from lvebm_theory.energies.bottleneck import bottleneck
    from lvebm_theory.energies.linear_gaussian import linear_gaussian_undirected
    from lvebm_theory.energies.nonlinear_decoder import nonlinear_decoder

    return [
        Setting(
            name="linear-gaussian",
            subject=linear_gaussian_undirected(a=2.0, b=0.7),
            options={"saddle": _SADDLE, "closed_form": True},
            with_controls=True,
        ),
        Setting(name="bottleneck", subject=bottleneck(b=2.0, a=1.0), options={"saddle": _SADDLE}),
        Setting(
            name="nonlinear-decoder",
            subject=nonlinear_decoder(curvature=1.0, noise=0.5),
            options={"saddle": _SADDLE},
        ),
    ]


def cases(setting: Setting, backend: Literal["numba", "torch"]) -> list[Case]:
    """One EQUAL case per witness, and the false readings of J."""
    witnesses: list[Witness] = ["quadrature"]
    if setting.options.get("closed_form", False):
        witnesses.append("closed-form")
    controls = (None, *(VARIANTS if setting.with_controls else ()))
    return [
        Case(quantity="J", relation=Relation.EQUAL, witness=witness, control=control)
        for witness in witnesses
        for control in controls
    ]


def _expected(law: gaussian.Gaussian, f: Callable[[FloatArray], FloatArray], points: int) -> float:
    """E f under a Gaussian with diagonal covariance, by Gauss-Hermite quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(points)
    weights = weights / weights.sum()
    axes = np.meshgrid(*[nodes] * law.dim, indexing="ij")
    z = np.stack([a.ravel() for a in axes], axis=1)
    w = np.ones(1)
    for _ in range(law.dim):
        w = np.multiply.outer(w, weights)
    x = law.mean + z * np.sqrt(np.diag(law.covariance))
    return float(w.ravel() @ f(x))


def saddle_value(energy: JointEnergy, saddle: Saddle, points: int) -> float:
    """J from expected energies and entropies."""
    joint = energy.joint()
    value = _expected(saddle.pool, joint.potential, points) - saddle.pool.entropy
    for x in saddle.data[:, 0]:
        q = saddle.posterior(float(x))
        conditional = energy.conditional([float(x)])
        value += (q.entropy - _expected(q, conditional.potential, points)) / len(saddle.data)
    return float(value)


def _by_quadrature(energy: JointEnergy, saddle: Saddle) -> Mapping[str, float]:
    log_z, width = log_integral(energy.joint())
    likelihood = posterior = 0.0
    for x in saddle.data[:, 0]:
        conditional = energy.conditional([float(x)])
        q = saddle.posterior(float(x))
        evidence, error = log_integral(conditional)
        width = max(width, error)
        likelihood += (evidence - log_z) / len(saddle.data)
        posterior += _relative_entropy(q, conditional, evidence) / len(saddle.data)
    return {
        "log_likelihood": likelihood,
        "posterior_relative_entropy": posterior,
        "model_relative_entropy": _relative_entropy(saddle.pool, energy.joint(), log_z),
        "quadrature_width": 4.0 * width,
    }


def _relative_entropy(law: gaussian.Gaussian, energy: Energy, log_normaliser: float) -> float:
    """int q log(q/pi) by the trapezoidal rule over 12 standard deviations."""
    sds = np.sqrt(np.diag(law.covariance))
    axes = [np.linspace(m - 12 * s, m + 12 * s, 801) for m, s in zip(law.mean, sds, strict=True)]
    mesh = np.stack([a.ravel() for a in np.meshgrid(*axes, indexing="ij")], axis=1)
    log_q = law.log_density(mesh)
    cell = float(np.prod([a[1] - a[0] for a in axes]))
    return float((np.exp(log_q) * (log_q + energy.potential(mesh) + log_normaliser)).sum() * cell)


def _in_closed_form(energy: JointEnergy, saddle: Saddle) -> Mapping[str, float]:
    precision = energy.joint().hessian(np.zeros((1, 2)))[0]
    model = gaussian.Gaussian.from_precision(np.zeros(2), precision)
    marginal = model.marginal([0])
    n = len(saddle.data)
    return {
        "log_likelihood": float(marginal.log_density(saddle.data).mean()),
        "posterior_relative_entropy": sum(
            gaussian.relative_entropy(saddle.posterior(x), model.conditional([0], [x])) / n
            for x in saddle.data[:, 0]
        ),
        "model_relative_entropy": gaussian.relative_entropy(saddle.pool, model),
        "quadrature_width": 0.0,
    }


def evaluate(setting: Setting, asked: Sequence[Case], context: Context) -> Evidence:
    """J (measured) against L - E KL + KL (the bound)."""
    energy, saddle = as_joint(NAME, setting.subject), setting.options["saddle"]
    if asked[0].witness == "closed-form":
        quantities: Mapping[str, Any] = _in_closed_form(energy, saddle)
    else:
        quantities = _by_quadrature(energy, saddle)
    coarse, fine = (saddle_value(energy, saddle, points) for points in (60, 90))
    rounding = 1e-11 * (1.0 + abs(fine))
    measured = Measurement(
        value=fine, numerical=2.0 * abs(fine - coarse) + rounding + quantities["quadrature_width"]
    )
    theorem = statement.theorem
    return Evidence(
        outcomes={
            case: confront(
                case,
                measured,
                theorem,
                quantities,
                resolution=RESOLUTION,
                variants=VARIANTS,
                perturbed=lambda p: theorem.forced_bound(
                    **{
                        **quantities,
                        "model_relative_entropy": (1 + p) * quantities["model_relative_entropy"],
                    }
                ),
            )
            for case in asked
        }
    )


def adapt(
    subject: Energy | JointEnergy, start: InitialLaw | None, times: tuple[float, ...]
) -> Setting:
    """Any smooth joint energy of one datum and one latent coordinate, by lengths of its own."""
    energy = as_joint(NAME, subject)
    if not energy.joint().smooth:
        raise AssumptionError(NAME, ["E is twice continuously differentiable"])
    saddle = _SADDLE.in_frame(*frame(energy.joint()))
    return Setting(name="user", subject=energy, options={"saddle": saddle}, of_user=True)


claim = Claim(
    name=NAME,
    title="J = L - E KL(q|posterior) + KL(p|model)",
    theorems=(statement.theorem,),
    controls=sentences(VARIANTS),
    settings=settings,
    cases=cases,
    evaluate=evaluate,
    adapt=adapt,
)
