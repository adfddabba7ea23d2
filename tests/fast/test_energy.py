"""The @energy decorator, callables, quadratic energies, and energies from files."""

import numpy as np
import pytest

import lvebm_theory
from lvebm_theory.callables import CallableEnergy
from lvebm_theory.energies.quadratic import QuadraticEnergy, quadratic
from lvebm_theory.energy import energy
from lvebm_theory.errors import ArgumentError
from lvebm_theory.formula.generated import load
from lvebm_theory.protocols import Energy
from lvebm_theory.user_file import load_energy


@energy(dim=2, positive=("a",), a=1.0, b=(0.5, -0.5))
def tilted(x, a, b):
    """U(x) = a |x|^4/4 + b.x."""
    return a * (x @ x) ** 2 / 4 + b @ x


def test_fields_have_their_shapes():
    member = tilted(a=2.0)
    x = np.random.default_rng(0).standard_normal((5, 2))
    assert member.potential(x).shape == (5,)
    assert member.gradient(x).shape == (5, 2)
    assert member.hessian(x).shape == (5, 2, 2)
    assert member.laplacian(x).shape == (5,)
    assert member.parameter_gradient(x).shape == (5, 3)
    axes = np.linspace(-1, 1, 4)[:, None], np.linspace(0, 1, 3)[None, :]
    shapes = {"potential": (4, 3), "gradient": (2, 4, 3), "hessian": (2, 2, 4, 3)}
    for field, shape in shapes.items():
        values = member.on_coordinates(field, axes)
        assert values.shape == shape
        flat = np.stack([a.ravel() for a in np.broadcast_arrays(*axes)], axis=1)
        on_particles = np.moveaxis(getattr(member, field)(flat), 0, -1)
        np.testing.assert_array_equal(values.reshape(*shape[:-2], 12), on_particles)
    assert member.gradient(np.empty((0, 2))).shape == (0, 2)


def test_parameters_are_named_flattened_and_replaced():
    member = tilted(b=[1.0, 2.0])
    assert dict(member.parameters) == {"a": 1.0, "b_0": 1.0, "b_1": 2.0}
    np.testing.assert_array_equal(member.parameter_vector(), [1, 1, 2])
    changed = member.with_parameters(b_1=7.0, a=3.0)
    assert dict(changed.parameters) == {"a": 3.0, "b_0": 1.0, "b_1": 7.0}
    assert dict(member.parameters) == {"a": 1.0, "b_0": 1.0, "b_1": 2.0}
    assert dict(member.with_parameters(b=[0.0, 0.0]).parameters)["b_1"] == 0
    with pytest.raises(TypeError):
        member.parameters["a"] = 3.0


@pytest.mark.parametrize(
    ("keywords", "reason"),
    [
        ({"a": float("nan")}, "finite"),
        ({"a": float("inf")}, "finite"),
        ({"a": "one"}, "real number"),
        ({"a": 1j}, "real number"),
        ({"a": None}, "finite|real number"),
        ({"a": -1.0}, "> 0"),
        ({"c": 1.0}, "has parameters"),
        ({"dim": 3}, "exists in dimension"),
    ],
)
def test_bad_parameters_are_refused(keywords, reason):
    with pytest.raises(ArgumentError, match=reason):
        tilted(**keywords)


def test_bad_changes_are_refused():
    with pytest.raises(ArgumentError, match="has parameters"):
        tilted().with_parameters(c=1.0)
    with pytest.raises(ArgumentError, match="> 0"):
        tilted().with_parameters(a=0.0)


@pytest.mark.parametrize(
    "x", [np.zeros(2), np.zeros((4, 3)), np.zeros((4, 2, 1)), 1.0], ids=["1d", "wide", "3d", "0d"]
)
def test_particles_of_the_wrong_shape_are_refused(x):
    for field in ("potential", "gradient", "hessian", "laplacian"):
        with pytest.raises(ArgumentError, match=r"\(n, 2\)"):
            getattr(tilted(), field)(x)
    with pytest.raises(ArgumentError, match="2 coordinates"):
        tilted().on_coordinates("potential", [np.zeros(3)])


def test_the_decorator_refuses_what_does_not_fit():
    with pytest.raises(ArgumentError, match="its decorator names"):
        energy(dim=1, a=1.0)(lambda x, b: x[0] * b)
    with pytest.raises(ArgumentError, match="dimension"):
        energy(dim=0)
    with pytest.raises(ArgumentError, match="no parameters named"):
        energy(dim=1, positive=("b",), a=1.0)(lambda x, a: a * x[0])
    with pytest.raises(ArgumentError, match="finite"):
        energy(dim=1, a=float("nan"))(lambda x, a: a * x[0])


def test_equal_energies_have_equal_keys():
    assert tilted(a=2.0).key == tilted(a=2.0).key
    assert tilted(a=2.0).key != tilted(a=2.5).key


# quadratic --------------------------------------------------------------------------------------


def random_precision(d, seed=3):
    root = np.random.default_rng(seed).standard_normal((d, d))
    return root @ root.T / d + 0.5 * np.eye(d)


@pytest.mark.parametrize("d", [1, 2, 6, 7, 30])
def test_quadratic_closed_forms_and_both_sources(d):
    torch = pytest.importorskip("torch")
    precision, mean = random_precision(d), np.linspace(-1, 1, d)
    member = quadratic(dim=d, precision=precision, mean=mean)
    assert isinstance(member, QuadraticEnergy)
    assert isinstance(member, Energy)
    x = np.random.default_rng(1).standard_normal((6, d))
    centred = x - mean
    potential = 0.5 * np.einsum("ni,ij,nj->n", centred, precision, centred)
    gradient = centred @ precision
    np.testing.assert_allclose(member.potential(x), potential, rtol=1e-12)
    np.testing.assert_allclose(member.gradient(x), gradient, atol=1e-13)
    np.testing.assert_allclose(member.hessian(x), np.broadcast_to(precision, (6, d, d)))
    np.testing.assert_allclose(member.laplacian(x), np.trace(precision))
    scalar, slope = load(member.source("numba")), np.empty(d)
    for k, row in enumerate(x):
        assert scalar.potential_gradient(row, member.parameter_vector(), slope) == pytest.approx(
            potential[k]
        )
        np.testing.assert_allclose(slope, gradient[k], atol=1e-13)
        assert scalar.potential(row, member.parameter_vector()) == pytest.approx(potential[k])
    tensors, p = load(member.source("torch")), torch.tensor(member.parameter_vector())
    np.testing.assert_allclose(
        tensors.gradient(torch.tensor(x.T), p).numpy().T, gradient, atol=1e-13
    )
    np.testing.assert_allclose(tensors.potential(torch.tensor(x.T), p).numpy(), potential)


def test_loops_and_unrolled_formula_are_the_same_energy():
    d = 7
    member = quadratic(dim=d, precision=random_precision(d), mean=0.3)
    x = np.random.default_rng(1).standard_normal((4, d))
    traced = member.formula.numpy_function("gradient")(x.T, member.parameter_vector())
    np.testing.assert_allclose(np.array(traced).T, member.gradient(x), atol=1e-13)


@pytest.mark.parametrize(
    ("keywords", "reason"),
    [
        ({"precision": -1.0}, "positive definite"),
        ({"precision": 0.0}, "positive definite"),
        ({"precision": [[1, 2], [2, 1]]}, "positive definite"),
        ({"precision": [[1, 1], [0, 1]]}, "symmetric"),
        ({"precision": [1.0, 2.0], "dim": 3}, "precision must be|shape"),
        ({"precision": 1.0, "mean": [0.0, 1.0], "dim": 3}, r"\(3,\)"),
        ({"precision": np.ones((2, 3))}, "must be"),
    ],
)
def test_bad_precisions_are_refused(keywords, reason):
    with pytest.raises(ArgumentError, match=reason):
        quadratic(**keywords)


# callables --------------------------------------------------------------------------------------


def test_a_callable_with_nothing_but_a_potential():
    member = CallableEnergy(
        name="mine", dim=2, potential_function=lambda x: np.cosh(x[:, 0]) + x[:, 0] * x[:, 1] ** 2
    )
    assert isinstance(member, Energy)
    assert member.source("numba") is None
    assert not member.smooth
    x = np.random.default_rng(0).standard_normal((7, 2))
    gradient = np.stack([np.sinh(x[:, 0]) + x[:, 1] ** 2, 2 * x[:, 0] * x[:, 1]], axis=1)
    np.testing.assert_allclose(member.gradient(x), gradient, atol=1e-8)
    hessian = np.empty((7, 2, 2))
    hessian[:, 0, 0], hessian[:, 1, 1] = np.cosh(x[:, 0]), 2 * x[:, 0]
    hessian[:, 0, 1] = hessian[:, 1, 0] = 2 * x[:, 1]
    np.testing.assert_allclose(member.hessian(x), hessian, atol=2e-5)
    np.testing.assert_allclose(member.laplacian(x), np.trace(hessian, axis1=1, axis2=2), atol=4e-5)
    grid = member.on_coordinates("gradient", [np.zeros((4, 1)), np.ones((1, 3))])
    assert grid.shape == (2, 4, 3)
    np.testing.assert_allclose(grid[0], 1.0, atol=1e-8)


def test_a_callable_with_its_own_gradient():
    member = CallableEnergy(
        name="mine",
        dim=1,
        potential_function=lambda x: x[:, 0] ** 4,
        gradient_function=lambda x: 4 * x**3,
        smooth=True,
    )
    x = np.array([[0.5], [2.0]])
    np.testing.assert_array_equal(member.gradient(x), 4 * x**3)
    np.testing.assert_allclose(member.hessian(x)[:, 0, 0], 12 * x[:, 0] ** 2, rtol=1e-8)


def test_bad_callables_are_refused():
    with pytest.raises(ArgumentError, match="must be callable"):
        CallableEnergy(name="mine", dim=1, potential_function=3.0)
    with pytest.raises(ArgumentError, match="dimension"):
        CallableEnergy(name="mine", dim=0, potential_function=lambda x: x)
    member = CallableEnergy(name="mine", dim=1, potential_function=lambda x: x)
    with pytest.raises(ArgumentError, match="must return"):
        member.potential(np.zeros((3, 1)))


# files ------------------------------------------------------------------------------------------

FILE = '''
from lvebm_theory import energy, joint_energy
from lvebm_theory.formula import cos

number = 3

@energy(dim=1, a=2.0)
def mine(x, a):
    """U(x) = a x^2/2 + cos x."""
    return a * x[0] ** 2 / 2 + cos(x[0])

fixed = mine(a=5.0)

@joint_energy(dim_x=1, dim_z=1, a=2.0)
def pair(x, z, a):
    return a * x[0] ** 2 + (z[0] - x[0]) ** 2

@energy(dim=1)
def broken(x):
    return x[3]
'''


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "my_model.py"
    path.write_text(FILE)
    return path


def test_families_energies_and_joint_energies_come_from_files(model):
    assert load_energy(f"{model}:mine").parameters == {"a": 2.0}
    assert load_energy(f"{model}:fixed").parameters == {"a": 5.0}
    assert load_energy(f"{model}:pair").joint().dim == 2
    assert load_energy(f"{model}:mine").gradient(np.zeros((1, 1))) == 0


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (":mime", "did you mean mine"),
        (":zzz", "it has"),
        (":number", "not an energy"),
        (":cos", "not an energy"),
        (":broken", "cannot be traced"),
        ("", "defines 4 energies"),
    ],
)
def test_wrong_names_are_explained(model, name, reason):
    with pytest.raises(ArgumentError, match=reason):
        load_energy(f"{model}{name}")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import nothing_like_this", "ModuleNotFoundError"),
        ("def (", "SyntaxError"),
        ("raise SystemExit(0)", "SystemExit"),
        ("from lvebm_theory import energy\n@energy(dim=0)\ndef f(x): return x[0]", "dimension"),
    ],
)
def test_files_that_cannot_be_run_are_explained(tmp_path, text, reason):
    path = tmp_path / "bad.py"
    path.write_text(text)
    with pytest.raises(ArgumentError, match=reason):
        load_energy(f"{path}:f")


@pytest.mark.parametrize("text", ["nowhere.py:f", "nowhere:f", "nowhere", ":f", ""])
def test_missing_files_are_explained(text):
    with pytest.raises(ArgumentError, match=r"no such energy file|file\.py:name"):
        load_energy(text)


def test_the_package_offers_its_names():
    for name in lvebm_theory.__all__:
        assert getattr(lvebm_theory, name) is not None
    with pytest.raises(AttributeError):
        _ = lvebm_theory.nothing_like_this
    # the module of the decorator has the decorator's name, and decorates as well
    member = lvebm_theory.energy(dim=1)(lambda x: x[0] ** 2)()
    assert member.potential(np.array([[3.0]])) == 9
