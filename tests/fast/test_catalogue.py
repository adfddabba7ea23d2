"""Every energy of the catalogue: back ends agree, and what it claims to know is true."""

import math
import pickle

import numpy as np
import pytest
from scipy.integrate import quad

from lvebm_theory.energies import catalogue
from lvebm_theory.energy import EnergyFamily
from lvebm_theory.formula.generated import load
from lvebm_theory.protocols import Energy, JointEnergy

# five standard errors: at most 6e-7 per assertion on fixed seeds
FIVE = 5.0


def members():
    """Default members of every family, with both views of the joint ones, plus some variants."""
    found = {}
    for name, family in catalogue().items():
        if isinstance(family, EnergyFamily):
            found[name] = family()
            if family.any_dim and family.dim_from is None:
                found[f"{name}-3d"] = family(dim=3)
        else:
            joint = family()
            found[f"{name}.joint"] = joint.joint()
            data = np.linspace(0.6, -0.4, joint.dim_x)
            found[f"{name}.conditional"] = joint.conditional(data)
    quadratic, mixture = catalogue()["quadratic"], catalogue()["gaussian_mixture"]
    found["quadratic-2d"] = quadratic(precision=[[2.0, 0.5], [0.5, 1.0]], mean=[0.3, -0.2])
    found["quadratic-9d"] = quadratic(dim=9, precision=np.linspace(0.5, 2, 9), mean=0.1)
    found["mixture-2d"] = mixture(
        means=[[-1, 0], [1, 0.5], [0, 1.5]], sds=[0.4, 0.5, 0.6], weights=[0.2, 0.3, 0.5]
    )
    found["mixture-equal"] = mixture(means=[[-1, 0], [1, 0.5], [0, 1.5]], sds=0.5)
    found["cosine_perturbed-nonconvex"] = catalogue()["cosine_perturbed"](amplitude=-2.0)
    found["location_family-nonconvex"] = catalogue()["location_family"](coupling=-3.0).joint()
    return found


MEMBERS = members()
each = pytest.mark.parametrize("energy", MEMBERS.values(), ids=MEMBERS.keys())


def points(energy, n=40, spread=1.5, seed=7):
    return spread * np.random.default_rng(seed).standard_normal((n, energy.dim))


def test_the_catalogue_holds_what_the_theory_needs():
    assert set(catalogue()) >= {
        *("quadratic", "quartic", "double_well", "tilted_double_well", "cosine_perturbed"),
        *("log_cosh", "gaussian_mixture", "mueller_brown", "ring", "funnel", "student_t"),
        *("linear_gaussian", "linear_gaussian_directed", "linear_gaussian_undirected"),
        *("bottleneck", "location_family", "nonlinear_decoder", "quartic_coupled"),
    }
    for name, family in catalogue().items():
        member = family()
        assert isinstance(member, Energy | JointEnergy), name
        assert member.description, name


@each
def test_derivatives_match_central_differences(energy):
    x, h = points(energy), 1e-5
    gradient, hessian = energy.gradient(x), energy.hessian(x)
    for i in range(energy.dim):
        step = h * np.eye(energy.dim)[i]
        slope = (energy.potential(x + step) - energy.potential(x - step)) / (2 * h)
        size = 1 + np.abs(energy.potential(x))
        assert np.all(np.abs(slope - gradient[:, i]) < 1e-6 * (size + np.abs(gradient[:, i])))
        bend = (energy.gradient(x + step) - energy.gradient(x - step)) / (2 * h)
        size = 1 + np.abs(gradient).max(axis=1, keepdims=True) + np.abs(hessian[:, i])
        assert np.all(np.abs(bend - hessian[:, i]) < 1e-6 * size)
    np.testing.assert_allclose(
        energy.laplacian(x), np.trace(hessian, axis1=1, axis2=2), rtol=1e-11, atol=1e-10
    )


@each
def test_torch_and_scalar_sources_agree_with_numpy(energy):
    torch = pytest.importorskip("torch")
    x = points(energy)
    potential, gradient = energy.potential(x), energy.gradient(x)
    scale = 1 + np.abs(gradient).max()
    p = energy.parameter_vector()

    module = load(energy.source("torch"))
    tensor = torch.tensor(x.T.copy(), requires_grad=True)
    value = module.potential(tensor, torch.tensor(p))
    (automatic,) = torch.autograd.grad(value.sum(), tensor)
    own = module.gradient(tensor.detach(), torch.tensor(p))
    np.testing.assert_allclose(value.detach().numpy(), potential, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(own.numpy().T, gradient, rtol=1e-12, atol=1e-14 * scale)
    np.testing.assert_allclose(automatic.numpy().T, gradient, rtol=1e-11, atol=1e-13 * scale)

    scalar = load(energy.source("numba"))  # plain Python as it stands
    slope, slope_again = np.empty(energy.dim), np.empty(energy.dim)
    for k, row in enumerate(x[:8]):
        scalar.gradient(row, p, slope)
        both = scalar.potential_gradient(row, p, slope_again)
        assert scalar.potential(row, p) == pytest.approx(potential[k], rel=1e-13, abs=1e-13)
        assert both == pytest.approx(potential[k], rel=1e-13, abs=1e-13)
        np.testing.assert_allclose(slope, gradient[k], rtol=1e-12, atol=1e-14 * scale)
        np.testing.assert_allclose(slope_again, slope, rtol=1e-13, atol=1e-15 * scale)


@each
def test_ball_arithmetic_encloses_the_floats(energy):
    flint = pytest.importorskip("flint")
    fields = {f: energy.arb_function(f) for f in ("potential", "gradient", "hessian", "laplacian")}
    for row in points(energy, n=4):
        # a box around the point, and the point itself: the first must contain the second
        box = [flint.arb(v, 0.05) for v in row]
        exact = [flint.arb(v) for v in row]
        for field, function in fields.items():
            inside = np.ravel(np.array(function(exact, 80), dtype=object))
            around = np.ravel(np.array(function(box, 80), dtype=object))
            number = getattr(energy, field)(row[None])[0]
            for small, large, value in zip(inside, around, np.ravel(number), strict=True):
                assert large.contains(small)
                assert abs(float(small.mid()) - value) <= 1e-11 * (1 + np.abs(number).max())
                assert small.rad() < 1e-15 * (1 + abs(small.mid()))


@each
def test_one_source_serves_every_parameter_value(energy):
    if not energy.parameters:
        pytest.skip("no parameters")
    name = next(iter(energy.parameters))
    other = energy.with_parameters(**{name: energy.parameters[name] * 1.25})
    assert other.parameters[name] == energy.parameters[name] * 1.25
    for backend in ("numba", "torch"):
        assert other.source(backend) == energy.source(backend)
    assert other.formula is energy.formula
    assert other.key != energy.key


@each
def test_energies_travel_between_processes(energy):
    copy = pickle.loads(pickle.dumps(energy))
    x = points(energy, n=3)
    assert copy.key == energy.key
    np.testing.assert_array_equal(copy.gradient(x), energy.gradient(x))


@each
def test_curvature_bounds_hold_and_are_attained(energy):
    facts = energy.facts
    if facts.convexity is None and facts.smoothness is None:
        pytest.skip("no claim about curvature")
    x = np.vstack([points(energy, 4000, s) for s in (0.02, 0.5, 2.0, 6.0)])
    eigenvalues = np.linalg.eigvalsh(energy.hessian(x))
    scale = 1 + np.median(np.abs(eigenvalues))
    if (low := facts.convexity) is not None:
        assert eigenvalues.min() >= low.lower - 1e-9 * scale
        if low.how.name == "EXACT" and math.isfinite(low.value):
            assert eigenvalues.min() <= low.value + 0.02 * scale
    if (high := facts.smoothness) is not None:
        assert np.abs(eigenvalues).max() <= high.upper + 1e-9 * scale
        if high.how.name == "EXACT" and math.isfinite(high.value):
            assert np.abs(eigenvalues).max() >= high.value - 0.02 * scale


@each
def test_dissipativity_holds(energy):
    facts = energy.facts
    if facts.dissipativity is None:
        pytest.skip("no claim about dissipativity")
    x = np.vstack([points(energy, 2000, s) for s in (0.1, 0.5, 1.0, 3.0, 30.0)])
    product = (energy.gradient(x) * x).sum(1)
    square = (x**2).sum(1)
    margin = product - facts.dissipativity.lower * square + facts.dissipativity_offset
    assert np.all(margin >= -1e-9 * (1 + np.abs(product)))


def _tensor_rule(box, n):
    """Trapezoid points and weight on a box where the density vanishes at the boundary."""
    axes = [np.linspace(low, high, n) for low, high in box]
    cell = math.prod(a[1] - a[0] for a in axes)
    return np.stack([m.ravel() for m in np.meshgrid(*axes, indexing="ij")], axis=1), cell


@each
def test_normaliser_and_moments_match_quadrature(energy):
    facts = energy.facts
    known = [facts.log_normaliser, facts.mean, facts.covariance]
    if energy.dim > 2 or facts.box is None or all(k is None for k in known):
        pytest.skip("nothing to integrate")
    x, cell = _tensor_rule(facts.box, {1: 20001, 2: 1201}[energy.dim])
    u = energy.potential(x)
    mass = np.exp(-(u - u.min()))
    if facts.log_normaliser is not None:
        value = math.log(mass.sum() * cell) - u.min()
        assert facts.log_normaliser.value == pytest.approx(value, abs=2e-7)
    mass /= mass.sum()
    if facts.mean is not None:
        np.testing.assert_allclose(mass @ x, facts.mean, atol=1e-7)
    if facts.covariance is not None:
        centred = x - mass @ x
        np.testing.assert_allclose(
            np.einsum("n,ni,nj->ij", mass, centred, centred), facts.covariance, rtol=1e-6, atol=1e-8
        )


@each
def test_exact_samplers_draw_from_the_target(energy):
    facts = energy.facts
    if facts.sample is None:
        pytest.skip("no exact sampler")
    n = 40_000
    x = facts.sample(np.random.default_rng(11), n)
    assert x.shape == (n, energy.dim)
    u = energy.potential(x)
    # for any density q: E_pi[ q Z e^U ] = 1; q uniform on a box, so that the ratio is bounded
    spread = np.subtract(*np.quantile(x, [0.75, 0.25], axis=0))
    centre = x[np.argmin(((x - np.median(x, axis=0)) ** 2 / spread**2).sum(1))]
    inside = np.all(np.abs(x - centre) < spread / 4, axis=1)
    if energy.dim <= 3:
        ratio = np.exp(np.where(inside, u, -np.inf) + facts.log_normaliser.value)
        ratio /= np.prod(spread / 2)
        assert inside.sum() > 100
        assert abs(ratio.mean() - 1) < FIVE * ratio.std() / math.sqrt(n)
    # Stein: E grad U = 0 and E <tanh x, grad U> = E sum sech^2 x, whatever the moments of pi
    gradient = energy.gradient(x)
    bounded = 1 / np.cosh(np.clip(x, -300, 300))
    for i in range(energy.dim):
        stein = bounded[:, i] * (gradient[:, i] + np.tanh(x[:, i]))
        assert abs(stein.mean()) < FIVE * stein.std() / math.sqrt(n)


def test_student_t_normaliser_on_the_whole_line():
    energy = catalogue()["student_t"](nu=3.0)
    value, _ = quad(lambda x: math.exp(-energy.potential(np.array([[x]]))[0]), -np.inf, np.inf)
    assert energy.facts.log_normaliser.value == pytest.approx(math.log(value), abs=1e-8)


@pytest.mark.parametrize("a", [2.5, 3.0, 7.0])
def test_log_cosh_gap_by_its_eigenfunction(a):
    energy = catalogue()["log_cosh"](a=a)
    x = np.linspace(-3, 3, 13)[:, None]
    # f = sinh: -L f = -f'' + U' f' = (a - 1) f, square integrable for a > 2
    generator = -np.sinh(x[:, 0]) + energy.gradient(x)[:, 0] * np.cosh(x[:, 0])
    np.testing.assert_allclose(generator, energy.facts.gap.value * np.sinh(x[:, 0]), atol=1e-12)


def test_log_cosh_gap_is_the_threshold_of_its_essential_spectrum_when_tails_are_slow():
    for a in (0.5, 1.9, 2.0):
        assert catalogue()["log_cosh"](a=a).facts.gap.value == pytest.approx(a * a / 4)


def test_mueller_brown_critical_points_of_the_source():
    energy = catalogue()["mueller_brown"](scale=1.0)
    minima = np.array([[-0.5582, 1.4417], [0.6235, 0.0280], [-0.0500, 0.4667]])
    np.testing.assert_allclose(energy.potential(minima), [-146.70, -108.17, -80.77], atol=0.005)
    newton = np.linalg.solve(energy.hessian(minima), energy.gradient(minima)[..., None])[..., 0]
    assert np.abs(newton).max() < 1e-4
    assert np.all(np.linalg.eigvalsh(energy.hessian(minima)) > 0)
    saddles = np.array([[-0.8220, 0.6243], [0.2125, 0.2930]])
    np.testing.assert_allclose(energy.potential(saddles), [-40.66, -72.25], atol=0.005)
    assert np.all(np.linalg.eigvalsh(energy.hessian(saddles))[:, 0] < 0)


def test_double_well_curvatures_and_barrier():
    energy = catalogue()["double_well"](b=4.0)
    x = np.array([[-1.0], [0.0], [1.0]])
    np.testing.assert_array_equal(energy.potential(x), [0, 4, 0])
    np.testing.assert_array_equal(energy.hessian(x)[:, 0, 0], [32, -16, 32])
