"""Quadrature, the sides of a bracket, annealing both ways, and what must be caught."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom, kstest, norm

from lvebm_theory.callables import CallableEnergy
from lvebm_theory.constant import Constant
from lvebm_theory.energies.double_well import double_well
from lvebm_theory.energies.gaussian_mixture import gaussian_mixture
from lvebm_theory.energies.linear_gaussian import linear_gaussian
from lvebm_theory.energies.quadratic import quadratic
from lvebm_theory.energies.ring import ring
from lvebm_theory.errors import ArgumentError, SolverError
from lvebm_theory.facts import KnownFacts
from lvebm_theory.gaussian import Gaussian
from lvebm_theory.parse import parse_potential
from solvers.learning.likelihood import annealed, quadrature
from solvers.learning.likelihood.annealed import Annealing, Base, forward, reverse, rows
from solvers.learning.likelihood.bracket import Bracket, Side, lower_side, mean_lower_side
from solvers.learning.likelihood.density import (
    MarginalEnergy,
    log_density,
    log_marginal_density,
)
from solvers.learning.likelihood.exact_samples import (
    ExactSamples,
    by_rejection,
    from_known_sampler,
    from_simulation,
)
from solvers.learning.likelihood.integration_box import mass_beyond
from solvers.learning.likelihood.model_evidence import (
    log_normaliser_bracket,
    mean_log_integral_bracket,
    mean_log_likelihood,
)
from solvers.learning.likelihood.quadrature import log_normaliser
from solvers.noise import Noise

MIXTURE = gaussian_mixture(means=((-2.0, 0.0), (2.0, 1.0)), sds=(0.4, 0.5), weights=(0.7, 0.3))
OVER_MIXTURE = Gaussian([-0.8, 0.3], np.diag([4.5, 1.0]))
QUICK = Annealing(steps=80, step_size=0.1)
NOISE = Noise(seed=11)


# quadrature ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "energy",
    [
        quadratic(precision=4.0, mean=30.0),
        quadratic(precision=((2, 0.5, 0.1), (0.5, 1, 0.3), (0.1, 0.3, 3)), mean=(1.0, -2, 3)),
        gaussian_mixture(means=((-3, 0.0), (3, 1.0)), sds=(0.1, 0.5)),
        ring(a=3.0),
        MIXTURE,
    ],
    ids=lambda e: f"{e.name}-{e.dim}",
)
@pytest.mark.parametrize("tolerance", [1e-2, 1e-8])
def test_the_normaliser_is_known_within_its_width(energy, tolerance) -> None:
    found = log_normaliser(energy, tolerance=tolerance)
    assert found.width <= tolerance
    error = abs(found.value - energy.facts.log_normaliser.value)
    assert error <= found.width + 1e-10  # what is outside the box is of order e^-30


def test_a_lattice_from_the_middle_would_not_see_its_own_error(monkeypatch) -> None:
    # why lattices begin a quarter inside: mirror images agree on a symmetric ring
    energy, truth = ring(a=12.0), ring(a=12.0).facts.log_normaliser.value
    box = ((-2.1, 2.1), (-2.1, 2.1))
    keep = np.ones((8, 8), dtype=bool)
    for offset, honest in ((0.5, False), (quadrature.OFFSET, True)):
        monkeypatch.setattr(quadrature, "OFFSET", offset)
        value, width, _ = quadrature._lattice(energy.potential, box, keep, 2)
        assert abs(value - truth) > 1e-4
        assert (abs(value - truth) <= width) == honest


@pytest.mark.parametrize("power", [5.0, 3.0, 1.5, 1.2])
def test_heavy_tails_outside_the_box_are_in_the_width(power: float) -> None:
    # int (1 + x^2)^(-a) = sqrt pi Gamma(a - 1/2) / Gamma(a)
    exact = math.log(math.sqrt(math.pi) * math.gamma(power - 0.5) / math.gamma(power))
    found = log_normaliser(parse_potential(f"{power}*log(1 + x**2)"))
    assert abs(found.value - exact) <= found.width
    # the mass outside in closed form, to leading order: the lattices alone do not know of it
    edge = found.box[0][1]
    outside = 2 * edge ** (1 - 2 * power) / (2 * power - 1) / math.exp(exact)
    assert outside <= found.width
    assert power == 1.2 or found.width < 10 * outside + 1e-8


def test_cut_boxes_and_the_heaviest_tails_are_not_believed() -> None:
    inside = ((-3.0, 3.0),)
    normal = parse_potential("x**2/2")
    outside = math.exp(mass_beyond(normal.potential, inside)) / math.sqrt(2 * math.pi)
    exact = math.erfc(3 / math.sqrt(2))
    assert exact <= outside < 5 * exact
    for power in (0.8, 0.6, 0.51):
        with pytest.raises(SolverError, match=r"too coarse|too heavy|still grows"):
            log_normaliser(parse_potential(f"{power}*log(1 + x**2)"))


def test_a_law_without_a_normaliser_is_refused() -> None:
    rising = CallableEnergy(name="slope", dim=1, potential_function=lambda x: -x[:, 0])
    with pytest.raises(SolverError, match="grows"):
        log_normaliser(rising)
    with pytest.raises(ArgumentError, match="annealing"):
        log_normaliser(quadratic(dim=4, precision=1.0, mean=0.0))


def test_the_log_density_of_held_out_data_with_and_without_latents() -> None:
    x = np.random.default_rng(0).normal(size=(50, 2))
    found = log_density(MIXTURE, x)
    assert np.allclose(found.values, -MIXTURE.potential(x), atol=1e-9)
    assert found.mean.kind == "exact by quadrature"

    joint = linear_gaussian()
    covariance = np.linalg.inv(joint.parameter_vector().reshape(3, 3))
    marginal = log_marginal_density(joint, x[:, :1])
    exact = norm.logpdf(x[:, 0], scale=math.sqrt(covariance[0, 0]))
    assert np.all(np.abs(marginal.values - exact) <= marginal.widths + 1e-10)
    assert marginal.widths.max() < 1e-5


# sides -----------------------------------------------------------------------------------------


def test_the_end_holds_with_its_probability_for_heavy_weights() -> None:
    # E W = 1 with log-variance 4: the mean of 50 is below 1 most of the time
    rng = np.random.default_rng(1)
    alpha, runs = 0.2, 400
    draws = rng.normal(-2.0, 2.0, size=(runs, 50))
    wrong = sum(lower_side(a, alpha).end > 0 for a in draws)
    assert binom.sf(wrong - 1, runs, alpha) > 1e-6
    assert np.mean([lower_side(a, alpha).estimate for a in draws]) < 0
    # and it is not empty talk: with many mild weights the end comes close
    mild = lower_side(rng.normal(-0.02, 0.2, size=4096), 0.01)
    assert -0.04 < mild.end < 0


def test_a_mean_over_data_costs_next_to_nothing() -> None:
    rng = np.random.default_rng(2)
    alpha, runs = 0.2, 300
    sides = [mean_lower_side(rng.normal(-0.005, 0.1, size=200), alpha) for _ in range(runs)]
    assert binom.sf(sum(s.end > 0 for s in sides) - 1, runs, alpha) > 1e-6
    assert sides[0].estimate - sides[0].end == pytest.approx(math.log(1 / alpha) / 200)


def test_a_number_is_called_what_it_is() -> None:
    low, high = Side(estimate=0.0, end=-0.1, error_probability=0.01), Side(estimate=0.1, end=0.3)
    one, both = Bracket(lower=low, route="a"), Bracket(lower=low, upper=high, route="b")
    exact = Bracket.from_width(2.0, 0.5)
    assert exact.kind == "exact by quadrature"
    assert both.kind == "two-sided bracket"
    assert one.kind == "lower bound in expectation"
    # what is subtracted lends its other side
    assert exact.minus(one).kind == "upper bound in expectation"
    assert one.minus(one).kind == "unknown"
    assert exact.minus(both).ends == pytest.approx((1.5 - 0.3, 2.5 + 0.1))
    assert both.minus(both).error_probability == pytest.approx(0.02)
    assert one.ends == (-0.1, math.inf)
    assert one.shifted(1.0).lower.end == pytest.approx(0.9)


# annealing ---------------------------------------------------------------------------------------


class _Lattice:
    """Stands in for the noise: every pair of normals of a fine lattice, once."""

    nodes = np.arange(-9, 9, 0.06)

    def __init__(self, axis: int = 1) -> None:
        self.axis = axis

    def derive(self, *labels: object) -> _Lattice:
        return _Lattice(axis=0)

    def normals(self, rows: int, step: int, dim: int) -> np.ndarray:
        return np.stack([g.ravel() for g in np.meshgrid(self.nodes, self.nodes)])[self.axis][
            :, None
        ]

    def tape(self, rows: int, first: int, count: int, law: str) -> np.ndarray:
        return np.tile(self.normals(rows, 0, 1).T, (count, 1))

    @classmethod
    def masses(cls) -> np.ndarray:
        one = norm.pdf(cls.nodes) * 0.06
        return np.outer(one, one).ravel()


def _one_step(energy, h: float) -> float:
    masses = _Lattice.masses()
    base = Base.of(Gaussian([0.3], [[0.8]]), masses.size)
    run = forward(rows(energy), base, Annealing(steps=1, step_size=h, kernel="ula"), _Lattice())
    return float(np.log(masses @ np.exp(run.log_weights)))


@pytest.mark.parametrize("h", [0.02, 0.1, 0.2])
def test_one_step_has_the_right_mean_weight_for_every_step_size(h) -> None:
    well = double_well(b=0.5)
    assert _one_step(well, h) == pytest.approx(log_normaliser(well).value, abs=1e-6)


def test_a_missing_term_of_the_weight_shifts_its_mean(monkeypatch) -> None:
    full = annealed._Path._increment

    def without_squares(self, low, high, k):
        (_, g), (_, f) = low.mixed(self.shares[k]), high.mixed(self.shares[k + 1])
        return full(self, low, high, k) - self.h / 4 * ((g**2).sum(1) - (f**2).sum(1))

    def without_slopes(self, low, high, k):
        (u, _), (v, _) = low.mixed(self.shares[k]), high.mixed(self.shares[k + 1])
        return u - v

    truth = log_normaliser(double_well(b=0.5)).value
    for mutant in (without_squares, without_slopes):
        monkeypatch.setattr(annealed._Path, "_increment", mutant)
        assert abs(_one_step(double_well(b=0.5), 0.1) - truth) > 1e-3


@pytest.mark.parametrize("kernel", ["ula", "mala"])
def test_forward_and_reverse_hold_the_truth_between_them(kernel) -> None:
    annealing = Annealing(steps=80, step_size=0.1 if kernel == "mala" else 0.02, kernel=kernel)
    for energy, base in (
        (quadratic(precision=(4.0, 1.0), mean=(1.0, 0.0)), Gaussian([0, 0], np.eye(2))),
        (MIXTURE, OVER_MIXTURE),
    ):
        found = log_normaliser_bracket(
            energy, base, chains=400, annealing=annealing, noise=NOISE, alpha=1e-6,
            exact=from_known_sampler(energy, 400, seed=5),
        )  # fmt: skip
        low, high = found.ends
        assert low <= energy.facts.log_normaliser.value <= high
        assert high - low < 1.0
        assert found.kind == "two-sided bracket"
        assert found.error_probability == pytest.approx(1e-6)


def test_without_exact_draws_only_one_side_is_reported() -> None:
    found = log_normaliser_bracket(MIXTURE, OVER_MIXTURE, chains=100, annealing=QUICK, noise=NOISE)
    assert found.kind == "lower bound in expectation"
    likelihood = mean_log_likelihood(Bracket.from_width(-1.0, 0.0, route="evaluation"), found)
    assert likelihood.kind == "upper bound in expectation"


def test_starts_that_are_not_exact_are_caught() -> None:
    energy = MIXTURE
    long = Annealing(steps=200, step_size=0.1)
    kwargs = {"chains": 400, "annealing": long, "noise": NOISE, "alpha": 0.01}
    right = from_known_sampler(energy, 400, seed=5)
    with pytest.raises(ArgumentError, match="reason why"):
        log_normaliser_bracket(energy, OVER_MIXTURE, exact=right.points, **kwargs)
    # a chain that never left one mode: its reverse side bounds log of 0.3, not of 1
    one_mode = right.points[right.points[:, 0] > 0]
    stuck = from_simulation(np.resize(one_mode, (400, 2)), "a chain in one mode")
    with pytest.raises(SolverError, match="cannot have the model's law"):
        log_normaliser_bracket(energy, OVER_MIXTURE, exact=stuck, **kwargs)


def test_rejection_draws_the_law_and_checks_its_envelope() -> None:
    a, radius = 3.0, 1.2
    points = by_rejection(ring(a=a, radius=radius), 4000, seed=3).points
    inside = norm.cdf(-(radius**2) * math.sqrt(2 * a))

    def radial(u):
        return (norm.cdf((u - radius**2) * math.sqrt(2 * a)) - inside) / (1 - inside)

    assert kstest((points**2).sum(1), radial).pvalue > 1e-6
    assert (
        kstest(np.arctan2(points[:, 1], points[:, 0]) / (2 * np.pi) + 0.5, "uniform").pvalue > 1e-6
    )
    lied_to = CallableEnergy(
        name="wrong smoothness",
        dim=1,
        potential_function=lambda x: 2 * x[:, 0] ** 2 + np.cos(400 * x[:, 0]) / 2,
        gradient_function=lambda x: 4 * x - 200 * np.sin(400 * x),
        facts=KnownFacts(smoothness=Constant.exact(4.0, "a lie"), box=((-4.0, 4.0),)),
    )
    with pytest.raises(SolverError, match="envelope"):
        by_rejection(lied_to, 4000, seed=3)
    with pytest.raises(ArgumentError, match="1 to 3"):
        by_rejection(quadratic(dim=4, precision=1.0, mean=0.0), 10, seed=0)


def test_latents_are_annealed_to_two_sides_where_data_were_simulated() -> None:
    joint = linear_gaussian()
    law = Gaussian.from_precision(np.zeros(3), joint.parameter_vector().reshape(3, 3))
    w = law.push_normals(np.random.default_rng(4).normal(size=(300, 3)))
    # a base that is not the answer: twice too wide, and off
    base = Gaussian(law.mean + 0.2, 2 * law.covariance)
    found = mean_log_integral_bracket(
        joint, w[:, :1], base, annealing=QUICK, noise=NOISE, alpha=1e-6,
        exact_latents=from_simulation(w[:, 1:], "joint draws of the model"),
    )  # fmt: skip
    exact = log_marginal_density(joint, w[:, :1])
    truth = exact.mean.ends[0] + exact.log_normaliser.value
    low, high = found.ends
    assert low <= truth <= high
    assert high - low < 0.2
    elsewhere = mean_log_integral_bracket(joint, w[:, :1] + 1, base, annealing=QUICK, noise=NOISE)
    assert elsewhere.kind == "lower bound in expectation"


def test_the_reverse_weights_are_unbiased_for_the_inverse() -> None:
    energy = quadratic(precision=4.0, mean=1.0)
    law = Gaussian([1.0], [[0.25]])
    points = law.push_normals(np.random.default_rng(6).normal(size=(4000, 1)))
    base = Base.of(Gaussian([0.5], [[0.6]]), len(points))
    run = reverse(rows(energy), base, Annealing(steps=20, step_size=0.1), NOISE, points)
    ratios = np.exp(run.log_weights + energy.facts.log_normaliser.value)
    assert abs(ratios.mean() - 1) < 5 * ratios.std() / math.sqrt(len(ratios))
    assert ratios.std() < 2


def test_unusable_requests_say_what_was_needed() -> None:
    with pytest.raises(ArgumentError, match="step size"):
        Annealing(step_size=0.0)
    with pytest.raises(ArgumentError, match="kernel"):
        Annealing(kernel="hmc")
    with pytest.raises(ArgumentError, match="dimension"):
        log_normaliser_bracket(
            MIXTURE, Gaussian([0], [[1]]), chains=5, annealing=QUICK, noise=NOISE
        )
    with pytest.raises(ArgumentError, match="origin"):
        ExactSamples(points=np.zeros((3, 1)), origin=" ")
    with pytest.raises(ArgumentError, match="no exact sampler"):
        from_known_sampler(double_well(), 3, seed=0)


class _OneLatent:
    """E(x, z) = f(x, z), one coordinate each."""

    dim_x = dim_z = 1

    def __init__(self, f):
        self.f = f

    def potential(self, x, z):
        return self.f(x[:, 0], z[:, 0])


@pytest.mark.parametrize("cut", [2.0, 3.0, 4.5])
def test_latents_beyond_the_box_are_in_the_width(cut):
    joint = _OneLatent(lambda x, z: 0.5 * (z - x) ** 2)
    marginal = MarginalEnergy(joint=joint, box_z=((-cut, cut),), nodes=64)
    x = np.array([0.0, 0.7, 1.5, cut + 1.0])
    values, widths = marginal.with_widths(x[:, None])
    off = np.abs(values + 0.5 * np.log(2 * np.pi))
    right = -np.log(norm.cdf(cut - x) - norm.cdf(-cut - x))
    assert np.all(off > 0.9 * right - 0.05)
    assert np.all(off <= widths), (off, widths)
    assert np.isinf(widths[-1])


@pytest.mark.parametrize("seed", range(3))
def test_latents_with_tails_of_a_power(seed):
    rng = np.random.default_rng([seed, 81])
    power, scale = rng.uniform(2.5, 5.0), rng.uniform(0.5, 2.0)
    joint = _OneLatent(lambda x, z: 0.5 * x**2 + power / 2 * np.log1p(((z - x) / scale) ** 2))
    x = np.linspace(-2, 2, 5)[:, None]
    found = log_marginal_density(joint, x)
    right = -0.5 * x[:, 0] ** 2 - 0.5 * np.log(2 * np.pi)
    assert np.all(np.abs(found.values - right) <= found.widths)
