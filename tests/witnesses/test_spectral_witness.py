"""The spectral basis against other spectral methods that share no code with it."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.polynomial import hermite_e
from scipy.integrate import quad
from scipy.linalg import eigh

from lvebm_theory import InitialLaw, parse_potential
from lvebm_theory.certified import certified_gap_1d
from lvebm_theory.constants import spectrum
from lvebm_theory.constants.frame import Frame, shear_frames
from lvebm_theory.constants.modes import low_modes
from lvebm_theory.constants.plane_elements import PlaneElements
from lvebm_theory.constants.plane_mesh import PlaneRecipe, plane_mesh
from lvebm_theory.constants.plane_spectrum import potential_on_plane
from lvebm_theory.constants.region import level_box

from .line_reference import LineReference, start_fits


# E y under exp(-((x^2-1)^2 + 2 (y-x^2)^2 + x y / 2)), by adaptive quadrature of the x-marginal:
# y | x ~ N(x^2 - x/8, 1/4)
def _mean_y():
    def weight(x):
        return np.exp(-((x**2 - 1) ** 2) - x**3 / 2 + x**2 / 32)

    total = quad(weight, -5, 5, epsabs=0, epsrel=1e-12)[0]
    return quad(lambda x: (x**2 - x / 8) * weight(x), -5, 5, epsabs=0, epsrel=1e-12)[0] / total


MEAN_Y = _mean_y()


def hermite_functions(size, scale, order):
    """Orthonormal Hermite functions and their derivatives at Gauss points of that order."""
    nodes, weights = hermite_e.hermegauss(order)
    values = np.zeros((size + 1, order))
    # functions times sqrt(weight): p_n(x) sqrt(w), stable three-term recurrence
    values[0] = np.sqrt(weights / weights.sum())
    values[1] = nodes * values[0]
    for n in range(1, size):
        values[n + 1] = (nodes * values[n] - np.sqrt(n) * values[n - 1]) / np.sqrt(n + 1)
    return nodes * scale, values[:size]


def kinetic(size, scale):
    """-d^2/dx^2 in that basis."""
    n = np.arange(size)
    matrix = np.diag((n + 0.5) / 2)
    off = -np.sqrt((n[:-2] + 1) * (n[:-2] + 2)) / 4
    return (matrix + np.diag(off, 2) + np.diag(off, -2)) / scale**2


def schroedinger_gap(energy, scale, size=220, order=260):
    """lambda_1 of -d^2/dx^2 + U'^2/4 - U''/2 in Hermite functions."""
    x, basis = hermite_functions(size, scale, order)
    v = energy.gradient(x[:, None])[:, 0] ** 2 / 4 - energy.laplacian(x[:, None]) / 2
    values = np.linalg.eigvalsh(kinetic(size, scale) + (basis * v) @ basis.T)
    assert abs(values[0]) < 1e-8
    return values[1]


@pytest.mark.parametrize("seed", range(8))
def test_random_quartic_wells(seed):
    rng = np.random.default_rng(seed)
    a, b, c, d = rng.uniform([0.05, -1.0, -2.0, -0.5], [0.6, 1.0, 1.0, 0.5])
    energy = parse_potential(
        "a*x**4 + b*x**3/4 + c*x**2 + d*x", parameters={"a": a, "b": b * a, "c": c, "d": d}
    )
    found = spectrum(energy, 1)
    reference = schroedinger_gap(energy, scale=0.32 / a**0.25)
    assert abs(found.eigenvalues[0] - reference) <= found.error[0] + 1e-8


@pytest.mark.parametrize(
    "text",
    [
        "x**4/4-x**2+0.3*x",
        "x**2/2+0.3*cos(3*x)",
        "6*(x**2-1)**2",
        "cosh(2*x)-x",
        "-log(0.3*exp(-(x-4)**2)+0.7*exp(-(x+1)**2/4))",
    ],
)
def test_gap_lies_between_proved_bounds(text):
    """Chen-Wang and a subsolution in ball arithmetic, from a Riccati equation."""
    energy = parse_potential(text)
    proved = certified_gap_1d(energy, 1e-6)
    found = spectrum(energy, 1)
    assert proved.upper - proved.lower <= 1e-6 * proved.value
    assert proved.lower <= found.eigenvalues[0] <= proved.upper


PLANAR = {
    "2*(x**2-1)**2 + (y-x)**2/2": (0.35, 0.7),
    "(x**2-1)**2 + (y**2-1)**2 + x*y/2": (0.36, 0.36),
    "x**4/4 + y**4/4 + x*y": (0.5, 0.5),
    "x**2/2 + y**2/2 + cos(2*x+y)": (0.75, 0.75),
    "x**2 + y**2 + x**2*y**2": (0.45, 0.45),
}


@pytest.mark.parametrize("text", PLANAR)
def test_planar_energies(text):
    """-Laplacian + |grad U|^2/4 - Lap U/2 in products of Hermite functions."""
    energy = parse_potential(text)
    size, order = 40, 90
    scales = PLANAR[text]
    nodes, bases = zip(*(hermite_functions(size, s, order) for s in scales), strict=True)
    points = np.stack(np.meshgrid(*nodes, indexing="ij"), axis=-1).reshape(-1, 2)
    v = (energy.gradient(points) ** 2).sum(axis=1) / 4 - energy.laplacian(points) / 2
    v = v.reshape(order, order)
    half = np.einsum("pi,qi,ij->pqj", bases[0], bases[0], v, optimize=True)
    full = np.einsum("pqj,rj,sj->prqs", half, bases[1], bases[1], optimize=True)
    full = full.reshape(size**2, size**2)
    identity = np.eye(size)
    full += np.kron(kinetic(size, scales[0]), identity)
    full += np.kron(identity, kinetic(size, scales[1]))
    values = eigh(full, eigvals_only=True, subset_by_index=(0, 1), driver="evr")
    found = spectrum(energy, 1)
    assert abs(values[0]) < 2e-5
    # its own error shows in its ground state, which is zero exactly, and in the last digits
    assert abs(found.eigenvalues[0] - values[1]) <= found.error[0] + 3 * abs(values[0]) + 1e-8
    assert found.error[0] <= 1e-5 * found.eigenvalues[0]


def test_bottleneck_from_theory():
    # .0994393 at (b, a) = (4, 1), independently by finite differences when theory was written
    found = spectrum(parse_potential("4*(x**2-1)**2 + (y-x)**2/2"), 1)
    assert found.eigenvalues[0] == pytest.approx(0.0994393, abs=6e-8)


def test_a_valley_straightened_by_a_shear():
    """The same modes on upright elements and on elements that follow the valley."""
    energy = parse_potential("(x**2-1)**2 + 2*(y-x**2)**2 + x*y/2")
    potential = potential_on_plane(energy)
    (frame,) = shear_frames(energy)
    recipe = PlaneRecipe(level=38.0, degree=10, variation=16.0, tolerance=1e-5, cells=1200)
    gaps = []
    for chosen in (Frame(axes=np.eye(2)), frame):
        turned = chosen.potential(potential)
        box = replace(level_box(turned, recipe.level, rotate=False), frame=chosen)
        mesh = plane_mesh(turned, box, recipe)
        elements = PlaneElements(potential, mesh, chosen, recipe.degree, recipe.level)
        gaps.append(low_modes(elements, 2)[0])
        # expectations and interpolation speak in the original coordinates
        assert elements.masses @ elements.points[:, 1] == pytest.approx(MEAN_Y, abs=1e-6)
        values = elements.evaluate(elements.points[:, 1], np.array([[0.3, 0.2], [-1.0, 0.7]]))
        np.testing.assert_allclose(values, [0.2, 0.7], atol=1e-8)
    np.testing.assert_allclose(gaps[0], gaps[1], rtol=1e-6)


def test_rotation_does_not_change_the_spectrum():
    upright = spectrum(parse_potential("2*(x**2-1)**2 + 8*y**2 + x*y**2/2 + x**2*y**2"), 2)
    c, s = np.cos(0.6), np.sin(0.6)
    turned = spectrum(
        parse_potential(
            "2*((c*x-s*y)**2-1)**2 + 8*(s*x+c*y)**2 + (c*x-s*y)*(s*x+c*y)**2/2"
            " + (c*x-s*y)**2*(s*x+c*y)**2",
            parameters={"c": c, "s": s},
        ),
        2,
    )
    np.testing.assert_allclose(turned.eigenvalues, upright.eigenvalues, rtol=1e-6)


@pytest.mark.parametrize(
    ("text", "mean", "sd"),
    [
        ("2*(x**2-1)**2", 0.4, 0.2),
        ("x**4/4-x**2+0.3*x", 1.2, 0.25),
        ("x**2/2+0.3*cos(3*x)", 1, 0.7),
    ],
)
def test_flow_against_sinc_collocation(text, mean, sd):
    energy, start = parse_potential(text), InitialLaw.normal(mean, sd)
    assert start_fits(energy, start)
    times = np.array([0.05, 0.3, 1.0, 3.0])
    reference = LineReference(energy, start)
    expected = np.array([reference.relative_entropy(t) for t in times])
    found = spectrum(energy, 1).relative_entropy_curve(start, times)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
