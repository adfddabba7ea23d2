"""The log-sum-exp node: stable at any scale on every back end, and small."""

import numpy as np
import pytest
from scipy.special import logsumexp

from lvebm_theory.energies.gaussian_mixture import gaussian_mixture
from lvebm_theory.energy import energy
from lvebm_theory.errors import ArgumentError
from lvebm_theory.formula import log_sum_exp
from lvebm_theory.formula.generated import load

RNG = np.random.default_rng(5)
MEANS, SDS = 3 * RNG.standard_normal((8, 10)), RNG.uniform(0.5, 1.5, 8)
WEIGHTS = RNG.dirichlet(np.full(8, 3.0))
MIXTURE = gaussian_mixture(means=MEANS, sds=SDS, weights=WEIGHTS)


def reference(x):
    """Potential, gradient and Hessian of the mixture by scipy and dense algebra."""
    offset = x[:, None, :] - MEANS
    exponents = (
        np.log(WEIGHTS) - 10 * np.log(SDS) - (offset**2).sum(-1) / (2 * SDS**2)
    ) - 5 * np.log(2 * np.pi)
    r = np.exp(exponents - logsumexp(exponents, axis=1, keepdims=True))
    slopes = offset / SDS[:, None] ** 2
    gradient = np.einsum("nk,nki->ni", r, slopes)
    centred = slopes - gradient[:, None, :]
    hessian = (r @ SDS**-2.0)[:, None, None] * np.eye(10)
    hessian = hessian - np.einsum("nk,nki,nkj->nij", r, centred, centred)
    return -logsumexp(exponents, axis=1), gradient, hessian


@pytest.mark.parametrize("spread", [1.0, 5.0, 1e3, 1e6])
def test_mixture_of_eight_in_ten_dimensions(spread):
    x = spread * np.random.default_rng(2).standard_normal((50, 10))
    potential, gradient, hessian = reference(x)
    np.testing.assert_allclose(MIXTURE.potential(x), potential, rtol=1e-12)
    np.testing.assert_allclose(MIXTURE.gradient(x), gradient, rtol=1e-9, atol=1e-12 * spread)
    np.testing.assert_allclose(MIXTURE.hessian(x), hessian, rtol=1e-9, atol=1e-11)


def test_one_gradient_stays_small():
    # 8 exponentials, 8 squared distances, 10 sums of 8: nothing swells beyond that
    assert MIXTURE.formula.operations < 900
    assert MIXTURE.source("numba").count("exp(") <= 3 * 8 + 1


def pair():
    @energy(dim=1, s=1.0)
    def two(x, s):
        return log_sum_exp(s * x[0], -s * x[0], 0)

    return two()


@pytest.mark.parametrize("x", [-1e300, -1e4, -800.0, 0.0, 1e-9, 750.0, 1e4, 1e300])
def test_no_overflow_on_any_back_end(x):
    torch = pytest.importorskip("torch")
    flint = pytest.importorskip("flint")
    two = pair()
    value = np.logaddexp(abs(x), np.logaddexp(-abs(x), 0))
    slope = np.sign(x) if abs(x) > 100 else np.tanh(x / 2) * (2 * np.cosh(x / 2)) ** 2
    slope = slope if abs(x) > 100 else 2 * np.sinh(x) / (2 * np.cosh(x) + 1)
    point = np.array([[x]])
    assert two.potential(point)[0] == pytest.approx(value)
    assert two.gradient(point)[0, 0] == pytest.approx(slope)
    assert two.hessian(point)[0, 0, 0] >= 0
    scalar = load(two.source("numba"))
    assert scalar.potential(point[0], np.ones(1)) == pytest.approx(value)
    tensors = load(two.source("torch"))
    arguments = torch.tensor(point), torch.ones(1, dtype=torch.float64)
    assert float(tensors.potential(*arguments)) == pytest.approx(value)
    assert float(tensors.gradient(*arguments)) == pytest.approx(slope)
    ball = two.arb_function("gradient")([flint.arb(x)])[0]
    assert float(ball.mid()) == pytest.approx(slope)
    assert ball.rad() < 1e-12


def test_softmax_balls_stay_between_zero_and_one():
    flint = pytest.importorskip("flint")
    ball = pair().arb_function("gradient")([flint.arb(0, 50)])[0]
    assert ball.lower() >= -1.1
    assert ball.upper() <= 1.1
    whole = pair().arb_function("potential")([flint.arb(0, 50)])
    assert whole.lower() > -50
    assert whole.upper() < 50.7  # 50 + log 2: the exponents x and -x are taken apart


def test_degenerate_calls():
    with pytest.raises(ArgumentError, match="at least one"):
        log_sum_exp()
    with pytest.raises(ArgumentError, match="at least one"):
        log_sum_exp([])

    @energy(dim=1)
    def single(x):
        return log_sum_exp([x[0] ** 2])

    assert single().potential(np.array([[3.0]])) == 9
