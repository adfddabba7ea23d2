"""Theorem objects: what they refuse, what they return, and their equality cases."""

import math

import numpy as np
import pytest

from lvebm_theory.constant import Constant
from lvebm_theory.errors import AssumptionError
from lvebm_theory.theorem import Relation
from lvebm_theory.theorems import all_theorems
from lvebm_theory.theorems.latent import elbo_strictly_tighter
from lvebm_theory.theorems.schemes import ula_on_gaussians

THEOREMS = all_theorems()


def exact(value):
    return Constant.exact(value, "test")


def test_a_theorem_outside_its_assumptions_names_every_broken_one():
    with pytest.raises(AssumptionError) as caught:
        THEOREMS["kl-decay"].bound(
            log_sobolev=exact(0.0), time=1.0, initial_relative_entropy=math.inf, smooth=False
        )
    assert len(caught.value.broken) == 3
    assert "LSI" in str(caught.value)


def test_forcing_ignores_the_assumptions():
    value = THEOREMS["w2-contraction"].forced_bound(convexity=exact(-1.0), time=1.0, initial_w2=2.0)
    assert value == pytest.approx(2.0 * math.e)


def test_a_lower_bound_is_what_a_rate_takes():
    rho = Constant(value=2.0, lower=1.0, upper=3.0, how=exact(1.0).how, source="test")
    bound = THEOREMS["kl-decay"].bound(
        log_sobolev=rho, time=0.5, initial_relative_entropy=1.0, smooth=True
    )
    assert bound == pytest.approx(math.exp(-1.0))


@pytest.mark.parametrize("shift", [0.3, 2.0])
@pytest.mark.parametrize("precision", [0.5, 3.0])
def test_a_translate_of_a_gaussian_attains_talagrand_and_hwi(precision, shift):
    entropy, w2 = precision * shift**2 / 2, shift
    fisher_information = (precision * shift) ** 2
    talagrand = THEOREMS["talagrand"].bound(
        log_sobolev=exact(precision), relative_entropy=entropy, smooth=True
    )
    hwi = THEOREMS["hwi"].bound(
        convexity=exact(precision), w2=w2, fisher_information=fisher_information, smooth=True
    )
    assert talagrand == pytest.approx(w2)
    assert hwi == pytest.approx(entropy)


def test_evi_is_attained_by_translates():
    m, a, b, t = 0.7, 1.5, -0.4, 0.8

    def weighted_excess(k):
        r = np.linspace(0, t, 20001)
        excess = m * b**2 / 2 - m * (a * np.exp(-m * r)) ** 2 / 2
        return np.trapezoid(np.exp(-k * (t - r)) * excess, r)

    bound = THEOREMS["evi"].bound(
        convexity=exact(m),
        elapsed=t,
        initial_w2=abs(a - b),
        weighted_excess=weighted_excess,
        smooth=True,
    )
    assert bound == pytest.approx((a * math.exp(-m * t) - b) ** 2 / 2, rel=1e-8)


def test_the_gaussian_jko_step_is_stationary():
    m, mean, sd, tau = 1.3, 0.9, 0.6, 0.2
    w2 = THEOREMS["jko-gaussian"].bound(precision=m, mean=mean, sd=sd, step=tau, gaussian=True)
    mean_after = mean / (1 + m * tau)
    sd_after = m**-0.5 + math.sqrt(w2**2 - mean_after**2) * np.sign(sd - m**-0.5)
    slope = (sd_after - sd) / tau + m * sd_after - 1 / sd_after
    assert slope == pytest.approx(0.0, abs=1e-10)


def test_the_ula_variance_converges_to_its_fixed_point():
    limit = ula_on_gaussians.stationary_variance(2.0, 0.3)
    assert (1 - 0.6) ** 2 * limit + 0.6 == pytest.approx(limit)
    late = THEOREMS["ula-gaussian"].bound(
        precision=2.0, step_size=0.3, steps=200, initial_variance=9.0
    )
    assert late == pytest.approx(limit)
    with pytest.raises(AssumptionError):
        THEOREMS["ula-gaussian"].bound(precision=2.0, step_size=1.0, steps=1, initial_variance=1.0)


def test_the_mean_field_gap_and_the_crossing_time():
    precision = np.array([[1.5, -0.6], [-0.6, 1.2]])
    gap = elbo_strictly_tighter.mean_field_gap(precision)
    assert gap == pytest.approx(0.1115717757, abs=1e-9)
    rho = exact(float(np.linalg.eigvalsh(precision)[0]))
    crossing = elbo_strictly_tighter.crossing_time(
        log_sobolev=rho, initial_relative_entropy=3.28229, family_gap=gap
    )
    assert crossing == pytest.approx(2.311327, abs=1e-5)
    assert elbo_strictly_tighter.mean_field_gap(np.diag([1.0, 3.0])) == pytest.approx(0.0)


def test_strictly_tighter_is_refused_where_the_posterior_lies_in_the_family():
    with pytest.raises(AssumptionError, match="outside the family"):
        THEOREMS["elbo-tightness"].bound(
            log_sobolev=exact(1.0), initial_relative_entropy=1.0, family_gap=0.0, time=5.0
        )


def test_upper_bounds_and_their_equality_cases_share_a_formula():
    pairs = {
        "kl-decay": "kl-decay-equality",
        "talagrand": "talagrand-equality",
        "hwi": "hwi-equality",
        "evi": "evi-equality",
        "w2-contraction": "w2-contraction-equality",
        "w2-talagrand-decay": "w2-talagrand-decay-equality",
        "moment-bound": "moment-equality",
    }
    for bound, equality in pairs.items():
        assert THEOREMS[bound].relation is Relation.AT_MOST
        assert THEOREMS[equality].relation is Relation.EQUAL
        assert THEOREMS[bound].formula is THEOREMS[equality].formula


def test_the_first_order_bias_of_ula_solves_its_poisson_equation():
    """r = |U'|^2/4 - U''/2 satisfies L r = -A* 1 for every U: the derivation of e_1."""
    import sympy

    x = sympy.Symbol("x")
    u = sympy.Function("U")(x)
    drift, weight = -u.diff(x), sympy.exp(-u)
    adjoint = (
        (drift**2 * weight / 2).diff(x, 2) - (drift * weight).diff(x, 3) + weight.diff(x, 4) / 2
    ) / weight
    r = u.diff(x) ** 2 / 4 - u.diff(x, 2) / 2
    assert sympy.simplify(adjoint + r.diff(x, 2) - u.diff(x) * r.diff(x)) == 0
