"""Formulas: tracing, exact numbers, derivatives, ball enclosures, generated modules."""

import os
import subprocess
import sys

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from lvebm_theory import formula as f
from lvebm_theory.energy import energy
from lvebm_theory.errors import ArgumentError
from lvebm_theory.formula.derivative import Differentiation
from lvebm_theory.formula.generated import load
from lvebm_theory.parse import parse_potential

flint = pytest.importorskip("flint")


def of(function, dim=1, **parameters):
    """The formula of an undecorated function."""
    return energy(dim, **parameters)(function)()


# tracing ----------------------------------------------------------------------------------------


def test_decimals_are_read_as_typed():
    expression = of(lambda x: 0.1 * x[0] ** 2 + x[0] ** 0.5).formula.expression
    assert expression.atoms(sympy.Float) == set()
    assert sympy.Rational(1, 10) in expression.atoms(sympy.Rational)


def test_coordinates_behave_like_an_array():
    whole = of(lambda x: (x**2).sum() + x @ x + sum(xi for xi in x) + x[1:] @ x[:-1], dim=3)
    point = np.array([[1.0, 2.0, 3.0]])
    assert whole.potential(point) == pytest.approx(14 + 14 + 6 + 8)
    assert of(lambda x: x**2 / 2).potential(np.array([[3.0]])) == pytest.approx(4.5)


def test_functions_take_arrays_numbers_and_symbols():
    energy_ = of(lambda x: f.exp(x).sum() + f.cos(0.0) + f.absolute(x[0]) + f.log1p(x[1]), dim=2)
    assert energy_.potential(np.array([[0.0, 1.0]])) == pytest.approx(2 + np.e + np.log(2))


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda x: np.exp(x[0]), "lvebm_theory.formula"),
        (lambda x: __import__("math").exp(x[0]), "lvebm_theory.formula"),
        (lambda x: x[0] if x[0] > 0 else -x[0], "branches"),
        (lambda x: None, "one expression"),
        (lambda x: (x[0], x[0]), "one expression"),
        (lambda x: x, "one expression"),
        (lambda x: x[7], "cannot be traced"),
        (lambda x: x[0] * float("nan"), "finite constants"),
        (lambda x: x[0] * float("inf"), "finite constants"),
        (lambda x: x[0] * 1j, "real values"),
        (lambda x: x[0] * sympy.Symbol("y"), "unknown names"),
        (lambda x: sympy.gamma(x[0]), "cannot use gamma"),
        (lambda x: "x", "unknown names|one real expression"),
    ],
)
def test_what_cannot_be_traced_is_explained(function, reason):
    with pytest.raises(ArgumentError, match=reason):
        _ = of(function, dim=2).formula


def test_stable_nodes_replace_their_naive_spelling():
    naive = parse_potential("log(cosh(x)) - log(2*exp(-x**2) + exp(3*x)/2 + 1)")
    x = np.array([[-900.0], [0.3], [900.0]])
    expected = np.logaddexp.reduce(
        [np.log(2) - x[:, 0] ** 2, 3 * x[:, 0] - np.log(2), np.zeros(3)], axis=0
    )
    expected = np.abs(x[:, 0]) + np.log1p(np.exp(-2 * np.abs(x[:, 0]))) - np.log(2) - expected
    np.testing.assert_allclose(naive.potential(x), expected, rtol=1e-14)
    assert np.all(np.isfinite(naive.gradient(x)))


# derivatives ------------------------------------------------------------------------------------

ZOO = [
    "a*(x**2-1)**2 + (y-b*x)**2/2",
    "exp(-x**2*y) + sin(x*y)/(2+cos(x)) + tanh(a*x)",
    "log(1+x**2+y**2)*b + sqrt(1+x**2)*atan(y) + erf(x-y)",
    "x**a + (1+y**2)**(b*x) + x**1.5 + y**-2",
    "sinh(x)/cosh(y) + tan(x/3) + 3**x",
]


@pytest.mark.parametrize("text", ZOO)
def test_derivatives_agree_with_sympy(text):
    whole = parse_potential(text, parameters={"a": 2.5, "b": 0.7}).formula
    symbols = (*whole.coordinates, *whole.parameter_symbols)
    at = dict(zip(symbols, (0.7, 1.2, 2.5, 0.7), strict=True))
    for s in symbols:
        for t in symbols:
            own = Differentiation(t)(Differentiation(s)(whole.expression))
            theirs = whole.expression.diff(s).diff(t)
            assert float(own.subs(at)) == pytest.approx(float(theirs.subs(at)), rel=1e-12)


def test_kinks_have_their_conventions():
    kinked = parse_potential("abs(x)")
    x = np.array([[-2.0], [0.0], [3.0]])
    np.testing.assert_array_equal(kinked.gradient(x)[:, 0], [-1, 0, 1])
    np.testing.assert_array_equal(kinked.laplacian(x), [0, 0, 0])
    ramp = parse_potential("max(x, 0)")
    np.testing.assert_array_equal(ramp.gradient(x)[:, 0], [0, 0.5, 1])
    square = parse_potential("x*abs(x)")
    np.testing.assert_allclose(square.laplacian(x), [-2, 0, 2])


@pytest.mark.parametrize(
    ("text", "smooth"),
    [
        ("x**2/2", True),
        ("log(cosh(x)) + log(1+exp(x))", True),
        ("sqrt(1+x**2) + log(2+cos(x)) + 1/(3+sin(x))", True),
        ("(a+x**2)**1.5", True),
        ("(b+x**2)**1.5", False),
        ("abs(x)", False),
        ("sqrt(x**2)", False),
        ("(x**2)**0.75", False),
        ("max(x, 0)", False),
        ("min(x, 0)", False),
        ("sign(x)*x**3", False),
        ("x**2 + log(x)", False),
        ("x**2.5", False),
        ("1/x", False),
        ("x**2 + tan(x)", False),
    ],
)
def test_smoothness_is_proved_or_denied(text, smooth):
    assert parse_potential(text, parameters={"a": 0.5, "b": -0.5}).smooth is smooth


# ball arithmetic --------------------------------------------------------------------------------

numbers = st.floats(-3, 3).map(lambda v: round(v, 3))
ENCLOSED = [
    "x**4/4 - x**2 + 0.3*x",
    "(x*y)**3 + x**6 - y**2",
    "abs(x)**1.5 + abs(y)*sign(x)",
    "max(x,y,0) - min(x, y**2)",
    "log_sum_exp(x, -y, 0) + log_cosh(3*x)",
    "exp(-x**2)*cos(5*y) + sinh(x)*cosh(y)",
    "tanh(x*y) + atan(x)/(1+y**2) + erf(x)",
    "sqrt(x**2+y**2) + sqrt(1+x*x)",
    "-log(0.3*exp(-(x-1)**2) + 0.7*exp(-(y+x)**2))",
    "(1+x**2)**0.3 + 2**y",
]


@pytest.mark.parametrize("text", ENCLOSED)
@settings(max_examples=25, deadline=None)
@given(x=numbers, y=numbers, rx=st.floats(0, 4), ry=st.floats(0, 4), data=st.data())
def test_balls_enclose_every_point_inside(text, x, y, rx, ry, data):
    whole = parse_potential(text, variables=("x", "y"))
    inside = [
        centre + radius * data.draw(st.floats(-0.999, 0.999))
        for centre, radius in ((x, rx), (y, ry))
    ]
    box = [flint.arb(x, rx), flint.arb(y, ry)]
    for field in ("potential", "gradient", "laplacian"):
        balls = np.ravel(np.array(whole.arb_function(field)(box), dtype=object))
        values = np.ravel(whole.on_coordinates(field, inside))
        for ball, value in zip(balls, values, strict=True):
            slack = flint.arb(0, 1e-9 * (1 + abs(value)))
            if not ball.is_nan() and np.isfinite(value):
                assert (ball + slack).contains(flint.arb(value))


def test_balls_are_tight_where_it_matters():
    whole = parse_potential("x**4 + abs(x) + x**2")
    box = whole.arb_function("potential")([flint.arb(0, 1)])
    assert box.lower() > -1e-8  # even powers and |x| of a ball around zero do not go negative
    assert box.upper() < 3.0001
    step = parse_potential("abs(x)").arb_function("gradient")([flint.arb(0, 1)])[0]
    assert step.contains(-1)
    assert step.contains(1)
    bounded = parse_potential("2 + cos(x) + tanh(x)").arb_function("potential")
    everywhere = bounded([flint.arb(0, float("inf"))])
    assert everywhere.lower() > -0.01
    assert everywhere.upper() < 4.01


def test_ball_precision_is_an_argument():
    whole = parse_potential("pi*x/3")
    outer = flint.ctx.prec
    for bits in (53, 200):
        (ball,) = [whole.arb_function("potential")([flint.arb(1)], bits)]
        assert bits - 5 <= ball.rel_accuracy_bits() <= bits + 5
    assert flint.ctx.prec == outer


def test_third_derivatives_in_balls():
    whole = parse_potential("a*x**5 + sin(x)", parameters={"a": 2.0})
    third = whole.arb_derivative(0, 0, 0)([flint.arb(0.5)], 80)
    assert abs(float(third.mid()) - (2 * 60 * 0.25 - np.cos(0.5))) < 1e-13
    assert third.rad() < 1e-20


def test_analytic_formulas_extend_to_the_complex_plane():
    whole = parse_potential("x**4 + cos(x)*exp(x) + log_sum_exp(x, 1) + sqrt(2+x**2)")
    z = 0.3 + 0.2j
    value = whole.arb_function("potential")([flint.acb(0.3, 0.2)], 80)
    expected = z**4 + np.cos(z) * np.exp(z) + np.log(np.exp(z) + np.e) + np.sqrt(2 + z * z)
    assert abs(complex(value) - expected) < 1e-14
    with pytest.raises(ArgumentError, match="complex-analytic"):
        parse_potential("abs(x)").arb_function("potential")([flint.acb(1, 1)])


# sources ----------------------------------------------------------------------------------------


def test_scalar_source_keeps_its_type():
    numba = pytest.importorskip("numba")
    whole = parse_potential(
        "a*x**4/4 + max(x, 0.5)*sign(x) + abs(x)**1.5 + log_cosh(x)/3", parameters={"a": 0.3}
    )
    for real in ("float32", "float64"):
        kernel = numba.njit(load(whole.source("numba", real)).potential, error_model="numpy")
        dtype = getattr(np, real)
        kernel(np.array([0.7], dtype), np.array([0.3], dtype))
        assert str(kernel.nopython_signatures[0].return_type) == real


def test_torch_source_keeps_dtype_and_shape():
    torch = pytest.importorskip("torch")
    whole = parse_potential("a*y + max(x, 0) + log_sum_exp(x, 0) + 2", parameters={"a": 0.3})
    module = load(whole.source("torch"))
    for dtype in (torch.float32, torch.float64):
        x = torch.zeros((2, 3, 4), dtype=dtype)
        p = torch.tensor([0.3], dtype=dtype)
        assert module.potential(x, p).shape == (3, 4)
        gradient = module.gradient(x, p)
        assert gradient.shape == (2, 3, 4)
        assert gradient.dtype == dtype
        assert torch.all(gradient[1] == torch.tensor(0.3, dtype=dtype))


def test_torch_parameters_are_differentiable():
    torch = pytest.importorskip("torch")
    whole = parse_potential("a*x**4/4 + b*x**2", parameters={"a": 0.3, "b": 2.0})
    p = torch.tensor([0.3, 2.0], dtype=torch.float64, requires_grad=True)
    x = torch.tensor([[1.0, -2.0]], dtype=torch.float64)
    (gradient,) = torch.autograd.grad(load(whole.source("torch")).potential(x, p).sum(), p)
    own = whole.parameter_gradient(x.numpy().T).sum(0)
    np.testing.assert_allclose(gradient.numpy(), own)


def test_latex_is_readable():
    whole = parse_potential("a*(x**2-1)**2 + 0.3*x0 + stiff_1*x", parameters={"a": 1, "stiff_1": 2})
    for part in (r"\left(x^{2} - 1\right)^{2}", "0.3 x_{0}", r"\mathrm{stiff}_{1}"):
        assert part in whole.latex


# generated modules ------------------------------------------------------------------------------


def test_generated_modules_live_in_the_named_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LVEBM_CACHE", str(tmp_path / "deep" / "cache"))
    text = f"def f(x):\n    return x + {os.getpid()}\n"
    module = load(text)
    assert module.f(1) == 1 + os.getpid()
    (file,) = (tmp_path / "deep" / "cache").iterdir()
    assert file.read_text() == text
    assert load(text) is module
    assert load(text + "# other\n") is not module


def test_a_damaged_cache_file_is_replaced(tmp_path):
    script = (
        "from lvebm_theory.formula.generated import load; import sys;"
        "m = load('def f():\\n    return 42\\n'); print(m.f(), m.__file__)"
    )
    environment = {**os.environ, "LVEBM_CACHE": str(tmp_path)}

    def run():
        done = subprocess.run(
            [sys.executable, "-c", script],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.split()

    value, file = run()
    assert value == "42"
    stamp = os.stat(file).st_mtime_ns
    assert run() == [value, file]
    assert os.stat(file).st_mtime_ns == stamp  # untouched: numba's index stays valid
    with open(file, "w") as stream:
        stream.write("def f():\n    retur")
    assert run() == [value, file]


def test_an_unusable_cache_folder_is_no_obstacle(tmp_path, monkeypatch):
    blocker = tmp_path / "file"
    blocker.write_text("not a folder")
    monkeypatch.setenv("LVEBM_CACHE", str(blocker / "below"))
    assert load("def f():\n    return 'unusable'\n").f() == "unusable"
