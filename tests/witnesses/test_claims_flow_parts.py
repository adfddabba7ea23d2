"""What the claims about one flow are built from, each part against an independent answer."""

import math

import numpy as np
import pytest

from lvebm_theory import gaussian, parse_potential
from lvebm_theory.constant import Constant, How
from lvebm_theory.constants.reflection_coupling import convexity_profile, reflection_coupling
from lvebm_theory.energies.double_well import double_well
from lvebm_theory.energies.quadratic import quadratic
from lvebm_theory.errors import AssumptionError
from lvebm_theory.gaussian import Gaussian
from lvebm_theory.initial import InitialLaw
from lvebm_theory.theorem import Relation
from lvebm_theory.theorems.flow import relative_entropy_decay
from verification.claim import BUDGETS, Case, Context
from verification.claims.flow import jko_step
from verification.confront import confront, grade_of, require, third_of_distance
from verification.controls.flows import with_noise_scaled as noisy_flow
from verification.controls.schemes import with_drift_scaled, with_noise_scaled
from verification.controls.variants import rate_multiplied
from verification.curves import Curve
from verification.decide import Verdict, decide
from verification.grid_witness import curve, density_path, on_one_grid, w2_between_paths
from verification.initial_entropy import relative_entropy_of_start
from verification.late_slope import late_slope, window
from verification.measurement import Measurement
from verification.particle_witness import snapshots, step_for
from verification.reflection import reflected

CONTEXT = Context(look=0, alpha=1e-6, seed=3, budget=BUDGETS["quick"])


@pytest.fixture(scope="module")
def particles():
    """ULA on N(0, 1) from N(2, 1/4) with step 0.05 and the companion with step 0.1."""
    return snapshots(
        quadratic(precision=1.0),
        InitialLaw.normal(2.0, 0.5),
        [0.5, 1.0],
        CONTEXT,
        stream="parts",
        step_size=0.05,
    )


def test_the_companion_is_ula_with_twice_the_step(particles):
    for time, x in zip(particles.times, particles.coarse, strict=True):
        law = gaussian.ula_flow(
            Gaussian.matching(InitialLaw.normal(2.0, 0.5)),
            Gaussian.matching(InitialLaw.normal(0.0, 1.0)),
            0.1,
            round(time / 0.1),
        )
        n = x.shape[0]
        assert x.mean() == pytest.approx(law.mean[0], abs=5 * math.sqrt(1 / n))
        assert x.var() == pytest.approx(law.covariance[0, 0], rel=5 * math.sqrt(2 / n))


def test_two_step_sizes_share_their_noise_and_cover_the_bias(particles):
    apart = particles.fine - particles.coarse
    assert apart.std() < 0.1 * particles.fine.std()
    measured = particles.mean(lambda x: x[:, 0], "moment")
    for time in particles.times:
        m, truth = measured.at(time), 2.0 * math.exp(-time)
        assert abs(m.value - truth) <= m.half_width
        assert m.numerical < 0.1 * truth


def test_a_time_that_is_no_multiple_of_a_step_is_met_exactly():
    shown = snapshots(
        quadratic(precision=1.0),
        np.full((2000, 1), 1.0),
        [0.37, 1.2345],
        CONTEXT,
        stream="odd",
        step_size=0.01,
        mutate=lambda scheme: with_noise_scaled(scheme, 1e-9),
    )
    for time, x in zip(shown.times, shown.fine, strict=True):
        assert x.mean() == pytest.approx(math.exp(-time), rel=0.02)


@pytest.mark.parametrize(("mutate", "variance"), [("noise", 0.5), ("drift", 0.5)])
def test_mutated_schemes_have_the_wrong_stationary_law(mutate, variance):
    wrap = {
        "noise": lambda scheme: with_noise_scaled(scheme, 0.5**0.5),
        "drift": lambda scheme: with_drift_scaled(scheme, 2.0),
    }[mutate]
    x = snapshots(
        quadratic(precision=1.0),
        InitialLaw.normal(0.0, 1.0),
        [4.0],
        CONTEXT,
        stream=mutate,
        step_size=0.01,
        mutate=wrap,
        companion=False,
    )
    assert x.fine[0].var() == pytest.approx(variance, rel=0.05)
    assert x.coarse is x.fine


def test_reflected_pairs_of_brownian_motion_meet_as_the_reflection_principle_says():
    """With U = 0 (nearly) r is a Brownian motion of variance 8t: P(apart) = P(|N| < r/sqrt(8t))."""
    energy, shift, time = quadratic(precision=1e-6), 1.0, 0.2
    x = np.zeros((50_000, 1))
    pair = [
        snapshots(
            energy,
            position,
            [time],
            CONTEXT,
            stream="pair",
            step_size=0.02,
            mutate=mutate,
            memory=True,
            companion=False,
        ).fine[0]
        for position, mutate in ((x, None), (x - shift, lambda s: reflected(s, shift)))
    ]
    apart = float(np.mean(np.abs(pair[0] - pair[1]) > 1e-12))
    expected = math.erf(shift / math.sqrt(8 * time) / math.sqrt(2))
    assert apart == pytest.approx(expected, abs=5 * math.sqrt(0.25 / len(x)))


def test_the_step_follows_the_scale_of_the_energy():
    steps = [
        step_for(quadratic(precision=m), InitialLaw.normal(0.0, m**-0.5), [10.0])
        for m in (1.0, 100.0)
    ]
    assert steps[0] == pytest.approx(100 * steps[1])
    assert step_for(quadratic(precision=1.0), InitialLaw.normal(0.0, 1.0), [0.01]) == pytest.approx(
        0.0005
    )


def test_the_flow_with_scaled_noise_is_that_of_another_temperature():
    start = InitialLaw.normal(1.0, 0.8)
    path = density_path(quadratic(precision=1.0), start, [0.7], claim="test")
    mutated = noisy_flow(path, start, 0.5**0.5)
    x, masses = path.grid.centres[0], mutated.levels[-1].snapshots[-1].masses
    mean = masses @ x
    assert mean == pytest.approx(math.exp(-0.7), rel=1e-3)
    expected = 0.5 + (0.64 - 0.5) * math.exp(-1.4)
    assert masses @ (x - mean) ** 2 == pytest.approx(expected, rel=3e-3)


def test_grid_transport_between_two_flows_matches_bures():
    starts = [InitialLaw.normal(1.0, 0.5), InitialLaw.normal(-0.5, 1.2)]
    first, second = on_one_grid(quadratic(precision=1.0), starts, [0.5], claim="test")
    found = w2_between_paths(first, second)
    target = Gaussian.matching(InitialLaw.normal(0.0, 1.0))
    for time in (0.0, 0.5):
        laws = [gaussian.langevin_flow(Gaussian.matching(s), target, time) for s in starts]
        m = found.at(time)
        assert abs(m.value - gaussian.wasserstein(*laws)) <= m.half_width


def test_entropy_of_a_start_by_quadrature_matches_the_closed_form():
    precision = np.array([[1.5, -0.6], [-0.6, 1.2]])
    start = InitialLaw.normal([1.0, 0.5], [0.7, 1.1])
    log_normaliser = math.log(2 * math.pi) - 0.5 * np.linalg.slogdet(precision)[1]
    found = relative_entropy_of_start(
        quadratic(precision=precision, mean=np.zeros(2)), start, (log_normaliser, 0.0)
    )
    target = Gaussian.from_precision(np.zeros(2), precision)
    exact = gaussian.relative_entropy(Gaussian.matching(start), target)
    assert abs(found.value - exact) <= found.half_width
    assert found.half_width < 1e-9


def test_entropy_of_a_mixture_by_quadrature_matches_the_grid():
    energy = double_well(b=1.0)
    start = InitialLaw.mixture((0.7, 1.0, 0.3), (0.3, -0.8, 0.5))
    path = density_path(energy, start, [0.1], claim="test")
    found = relative_entropy_of_start(energy, start, path.log_normaliser)
    on_grid = curve(path, "KL").at(0.0)
    assert abs(found.value - on_grid.value) <= found.half_width + on_grid.half_width


def test_a_late_slope_is_found_under_decaying_corrections():
    times = window(1.4, 2.0, 1e-9)
    t = np.array(times)
    values = 2.0 * np.exp(-1.4 * t) * (1 + 0.8 * np.exp(-0.7 * t) + 0.3 * np.exp(-1.1 * t))
    seen = Curve(quantity="KL", times=t, values=values, numerical=1e-9 * values)
    found = late_slope(seen, times, 0.7)
    assert abs(found.value - 1.4) <= found.half_width
    assert found.half_width < 1e-3
    # a correction slower than was said is not covered
    slow = Curve(
        quantity="KL", times=t, values=values * (1 + 5 * np.exp(-0.1 * t)), numerical=0 * t
    )
    missed = late_slope(slow, times, 0.7)
    assert abs(missed.value - 1.4) > missed.half_width
    assert values[-1] == pytest.approx(1e-9, rel=0.1)


def test_a_curve_that_is_not_exponential_gets_no_narrow_slope():
    t = np.linspace(1.0, 2.0, 5)
    seen = Curve(quantity="KL", times=t, values=t**-2.0, numerical=0 * t)
    found = late_slope(seen, t.tolist(), 0.5)
    assert found.half_width > 0.1


def test_the_acceleration_of_a_gaussian_start_has_its_closed_form():
    """pi = N(0, 1/m), mu = N(a, s^2): a_0 = m^2 a + (linear map of the spread)."""
    m, mean, sd = 1.0, 1.0, 0.5
    found, speed = jko_step.acceleration_and_speed(
        quadratic(precision=m), InitialLaw.normal(mean, sd)
    )
    # d^2/dt^2 of the mean, and of the sd: s' = 1/s - m s, s'' = -(1/s^2 + m) s'
    second_sd = -(1 / sd**2 + m) * (1 / sd - m * sd)
    assert found == pytest.approx(math.hypot(m**2 * mean, second_sd), rel=1e-6)
    assert speed == pytest.approx(math.hypot(m * mean, 1 / sd - m * sd), rel=1e-6)


def test_the_convexity_profile_of_a_double_well_has_its_closed_form():
    radii = np.array([0.1, 1.0, 2.0, 3.0])
    profile = convexity_profile(double_well(b=1.5), radii, (-3.0, 3.0))
    np.testing.assert_allclose(profile, 1.5 * (radii**2 - 4.0), rtol=1e-6, atol=1e-6)


def test_the_reflection_cost_solves_its_differential_inequality():
    """4 f'' - r kappa f' <= -c f on (0, 2 R_1), by finite differences; f between its lines."""
    b = 1.0
    coupling = reflection_coupling(lambda r: b * (r**2 - 4.0), how=How.EXACT, source="closed form")
    r = np.linspace(0.01, 2 * coupling.outer_radius, 4001)
    step = r[1] - r[0]
    f = coupling.cost(r)
    slope = np.gradient(f, step)
    bent = np.gradient(slope, step)
    inside = (np.abs(r - coupling.outer_radius) > 0.02)[5:-5]
    left = (4 * bent - r * b * (r**2 - 4.0) * slope + coupling.rate.lower * f)[5:-5]
    assert left[inside].max() < 5e-3
    assert np.diff(f, 2).max() < 1e-3 * step**2, "f is concave, at R_1 too"
    assert np.all(f <= r * (1 + 1e-9))
    assert np.all(f >= r / coupling.prefactor * (1 - 1e-9))


def test_no_contraction_is_claimed_where_convexity_sinks():
    with pytest.raises(AssumptionError):
        reflection_coupling(lambda r: 1.0 / r, how=How.EXACT, source="log cosh")


def test_a_false_variant_meets_the_same_measurement():
    rho = Constant.exact(1.0, "test")
    q = {"log_sobolev": rho, "time": 1.0, "initial_relative_entropy": 1.0, "smooth": True}
    variants = {"doubled": rate_multiplied(2.0, "the rate doubled")}
    measured = Measurement(value=math.exp(-2.0), numerical=1e-6)
    theorem = relative_entropy_decay.theorem
    verdicts = {}
    for control in (None, "doubled", "a mutated solver"):
        case = Case(
            quantity="KL", relation=Relation.AT_MOST, witness="grid", time=1.0, control=control
        )
        outcome = confront(
            case, measured, theorem, q, resolution=0.01, variants=variants, perturbed=lambda p: p
        )
        assert (outcome.perturbed is None) == (control is not None)
        verdicts[control] = decide(measured, case.relation, outcome.bound, outcome.resolution)
    assert verdicts == {
        None: Verdict.HOLDS,
        "doubled": Verdict.VIOLATED,
        "a mutated solver": Verdict.HOLDS,
    }


def test_the_grade_is_the_weakest_and_the_resolution_the_nearest():
    computed = Constant(value=1.0, lower=0.9, upper=1.1, how=How.COMPUTED, source="test")
    assert grade_of({"a": Constant.exact(1.0, "x"), "b": computed, "c": 3.0}) is How.COMPUTED
    assert third_of_distance(1.0, 0.4, 1.3) == pytest.approx(0.1)


def test_an_assumption_is_asked_before_anything_is_solved():
    flat = Constant.exact(0.0, "test")
    with pytest.raises(AssumptionError, match="LSI"):
        require(relative_entropy_decay.theorem, log_sobolev=flat)
    require(relative_entropy_decay.theorem, smooth=True)


def test_w2_in_the_plane_holds_the_closed_form_and_no_other_number():
    energy = quadratic(precision=np.array([[1.5, -0.6], [-0.6, 1.2]]), mean=np.zeros(2))
    starts = [InitialLaw.normal([1.0, 0.5], [0.7, 1.1]), InitialLaw.normal([-0.5, 0.2], 0.6)]
    times = (0.1, 1.0)
    target = Gaussian.from_precision(energy.mean, energy.precision)
    laws = [
        [gaussian.langevin_flow(Gaussian.matching(start), target, t) for t in times]
        for start in starts
    ]
    paths = on_one_grid(energy, starts, times, claim="parts")
    found = w2_between_paths(*paths)
    to_pi = curve(paths[0], "W2")
    for k, time in enumerate(times):
        exact = gaussian.wasserstein(laws[0][k], laws[1][k])
        between, toward = found.at(time), to_pi.at(time)
        assert between.lower <= exact <= between.upper
        assert toward.lower <= gaussian.wasserstein(laws[0][k], target) <= toward.upper
        assert max(between.half_width / exact, toward.half_width / toward.value) < 0.05
        # the flow with twice the time, and the distance of the means alone, are outside
        late = gaussian.wasserstein(*(gaussian.langevin_flow(law[k], target, time) for law in laws))
        assert not between.lower <= late <= between.upper
        means = float(np.linalg.norm(laws[0][k].mean - target.mean))
        assert not toward.lower <= means <= toward.upper


def test_steps_that_never_reach_the_last_time_are_refused():
    narrow = parse_potential("x**2/2-8*exp(-(x-1.2)**2*1e6)")
    with pytest.raises(AssumptionError, match="500000 steps reach t = 2"):
        step_for(narrow, InitialLaw.normal(3.0, 0.1), [0.1, 2.0])
