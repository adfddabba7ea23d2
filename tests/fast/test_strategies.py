"""Drawn targets keep what they promise and break what they say: the library's own certificates."""

import math

import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from lvebm_theory.errors import ArgumentError
from verification import strategies
from verification.samplers.schemes import scheme_of
from verification.strategies import blocks, latent
from verification.strategies.assumptions import condition_number, hessian_of
from verification.strategies.settings import any_step_sizes

PLAIN = {
    "strongly_convex": (None, "strongly convex", "smooth"),
    "dissipative": (None, "dissipative", "smooth"),
    "multimodal": (None, "several modes", "smooth"),
    "heavy_tailed": (None, "heavy-tailed"),
    "ill_conditioned": (None, "ill-conditioned"),
    "joint": (None, "conditionally convex"),
}
CLASSES = [(name, twin) for name, twins in PLAIN.items() for twin in twins]
each_class = pytest.mark.parametrize(
    ("name", "breaking"), CLASSES, ids=[f"{n}, not {b}" if b else n for n, b in CLASSES]
)
few = settings(max_examples=8)
once = settings(max_examples=1)


def proofs(name):
    """Certificates in the plane take seconds, on the line milliseconds."""
    return settings(max_examples=2) if name == "joint" else few


def drawn_from(name, breaking):
    return getattr(strategies, name)(breaking=breaking)


@each_class
def test_what_is_promised_is_proved_and_what_is_broken_is_refuted(name, breaking):
    @proofs(name)
    @given(drawn_from(name, breaking))
    def examine(drawn):
        assert drawn.breaks is None if breaking is None else drawn.breaks.name == breaking
        assert drawn.breaks not in drawn.keeps
        for assumption in drawn.keeps:
            assert drawn.holds(assumption) is True, assumption.name
        if drawn.breaks is not None:
            assert drawn.holds(drawn.breaks) is False

    examine()


@each_class
def test_a_twin_breaks_one_assumption_of_its_class(name, breaking):
    @once
    @given(drawn_from(name, None), drawn_from(name, breaking))
    def examine(plain, twin):
        lost = set(plain.keeps) - set(twin.keeps)
        assert lost == (set() if breaking is None else {twin.breaks})

    examine()


@each_class
def test_the_hessian_bounds_in_closed_form_are_the_certified_ones(name, breaking):
    @proofs(name)
    @given(drawn_from(name, breaking))
    def examine(drawn):
        energies = [f.joint() if hasattr(f, "conditional") else f for f in drawn.formulas]
        found = [hessian_of(e) for e in energies]
        for claimed, constants, choose in (
            (drawn.convexity, [c for c, _ in found], min),
            (drawn.smoothness, [s for _, s in found], max),
        ):
            low = choose(c.lower for c in constants) / drawn.scale**2
            high = choose(c.upper for c in constants) / drawn.scale**2
            slack = 1e-6 * (1 + abs(claimed)) if math.isfinite(claimed) else 0.0
            assert low - slack <= claimed <= high + slack

    examine()


@each_class
def test_the_target_is_the_image_of_its_formulas(name, breaking):
    """Same potential up to a constant after the maps, and a gradient that fits."""

    @few
    @given(drawn_from(name, breaking))
    def examine(drawn):
        x = drawn.target.draw(np.random.default_rng(1), 6)
        energy = drawn.target.energy
        gradient = energy.gradient(x)
        step = 1e-5 * drawn.scale
        for i in range(drawn.dim):
            ends = []
            for sign in (1.0, -1.0):
                y = x.copy()
                y[:, i] += sign * step
                ends.append(energy.potential(y))
            differences = (ends[0] - ends[1]) / (2 * step)
            size = np.abs(gradient).max() + 1 / drawn.scale
            assert np.allclose(differences, gradient[:, i], atol=1e-5 * size, rtol=1e-5)
        # eigenvalues of the Hessian lie where the closed form puts them
        if math.isfinite(drawn.smoothness):
            lengths = np.linalg.norm(x[1:] - x[:-1], axis=1)
            slopes = np.linalg.norm(np.diff(gradient, axis=0), axis=1)
            assert np.all(slopes <= drawn.smoothness * lengths * (1 + 1e-9))

    examine()


BLOCKS = [
    blocks.normal(2.0),
    blocks.rippled(1.0, 4.0, 2.0),
    blocks.rippled(4.0, 0.5, 3.0),
    blocks.quartic_tailed(0.25, 4.0),
    blocks.two_wells(0.5),
    blocks.two_wells(2.0),
    blocks.two_components(2.0, 0.3),
    blocks.hyperbolic(0.5),
    blocks.polynomial_tailed(2.5),
]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda b: b.target.name)
def test_draws_have_the_density_of_the_formula(block):
    """Kolmogorov distance below the width of Dvoretzky, Kiefer, Wolfowitz and Massart at 1e-6."""
    n = 40_000
    x = np.sort(block.target.draw(np.random.default_rng(3), n)[:, 0])
    edges = np.sinh(np.linspace(-16, 16, 200_001))
    u = block.formula.potential(edges[:, None])
    mass = np.diff(edges) * (np.exp(-(u - u.min()))[1:] + np.exp(-(u - u.min()))[:-1]) / 2
    cdf = np.append(0.0, np.cumsum(mass) / mass.sum())
    ranks = np.arange(n) / n
    distance = np.max(np.abs(np.interp(x, edges, cdf) - ranks)) + 1 / n
    width = math.sqrt(math.log(2 / 1e-6) / (2 * n))
    assert distance <= width
    # control: a twentieth wider is seen
    assert np.max(np.abs(np.interp(1.1 * x, edges, cdf) - ranks)) > width


def test_two_components_have_two_modes_where_the_criterion_says_so():
    seen = set()
    for separation in (0.6, 0.95, 1.05, 1.3, 2.0):
        for weight in (0.5, 0.3, 0.1):
            says = blocks.components_make_two_modes(separation, weight)
            holds = strategies.ASSUMPTIONS["several modes"].examine(
                [blocks.two_components(separation, weight).formula]
            )
            assert holds is says
            seen.add(says)
    assert seen == {True, False}


def test_the_latent_model_is_convex_given_the_data_up_to_its_limit():
    for gain, noise in ((1.0, 1.0), (0.5, 2.0)):
        limit = math.sqrt(1 + (gain / noise) ** 2)
        for factor in (0.99, 1.01):
            _, formula = latent.model(gain, noise, factor * limit)
            low = hessian_of(formula.conditional([0.7]))[0]
            claimed = latent.conditional_convexity(gain, noise, factor * limit)
            assert low.lower - 1e-6 <= claimed <= low.upper + 1e-6
            assert (claimed > 0) == (factor < 1)


def test_everything_shrinks_to_the_simplest_case():
    simplest = find(strategies.cases("adjusted"), lambda case: True)
    assert repr(simplest.drawn) == "normal of precision 1"
    assert simplest.step_size == 0.5
    plane = find(strategies.strongly_convex(), lambda drawn: drawn.dim >= 2)
    assert repr(plane) == "normal of precision 1 x normal of precision 1"
    # the condition that matters stays, all others become simple
    wide = find(strategies.strongly_convex(), lambda drawn: drawn.scale > 3)
    assert repr(wide) == "normal of precision 1, stretched by 3.16"
    large = find(strategies.cases("adjusted"), lambda case: case.step_size > 2)
    assert repr(large.drawn) == "normal of precision 1"
    assert 2 < large.step_size < 4


def test_a_ladder_stays_inside_and_shrinks_to_its_middle():
    assert find(strategies.around(1.0, 0.25, 4.0), lambda v: True) == 1.0
    assert find(strategies.around(1.0, 0.25, 4.0), lambda v: v > 1.5) == 1.59

    @given(strategies.around(3.0, 0.3, 3.0))
    def examine(value):
        assert 0.3 <= value <= 3.0

    examine()
    with pytest.raises(ArgumentError, match="low <= simple <= high"):
        strategies.around(5.0, 1.0, 4.0)


def test_step_sizes_lie_inside_the_limit_of_stability_and_the_twins_beyond():
    @given(st.data())
    @few
    def examine(data):
        drawn = data.draw(strategies.ill_conditioned(3))
        scheme = scheme_of("ula")
        assert condition_number(drawn.formulas)[0] >= 100 * (1 - 1e-9)
        inside = data.draw(strategies.step_sizes(drawn))
        beyond = data.draw(strategies.step_sizes(drawn, stable=False))
        # the law of the scheme on this normal: a stationary one exists exactly inside
        assert scheme.linear(drawn.target, inside).radius < 1
        assert scheme.linear(drawn.target, beyond).radius > 1

    examine()
    quartic = find(strategies.strongly_convex(breaking="smooth"), lambda drawn: True)
    with pytest.raises(ArgumentError, match="no Lipschitz gradient"):
        strategies.step_sizes(quartic)
    assert find(any_step_sizes(quartic), lambda h: True) > 0


@pytest.mark.parametrize("breaking", [None, "never stops", "averages out", "starts stable"])
def test_schedules_break_exactly_what_they_say(breaking):
    """Cauchy: a decreasing series converges with its condensation sum 2^k h(2^k)."""

    @given(st.data())
    @few
    def examine(data):
        drawn = data.draw(strategies.strongly_convex(2))
        schedule = data.draw(strategies.schedules(drawn, breaking=breaking))
        k = 2**40
        steps = 2 * schedule(2 * k - 1) / schedule(k - 1)
        squares = 2 * schedule(2 * k - 1) ** 2 / schedule(k - 1) ** 2
        seen = {
            "never stops": steps >= 1 - 1e-12,
            "averages out": squares < 1 - 1e-12,
            "starts stable": schedule(0) < drawn.stability_limit,
        }
        assert [name for name, holds in seen.items() if not holds] == [breaking] * bool(breaking)
        assert schedule.never_stops is seen["never stops"]
        assert schedule.averages_out is seen["averages out"]
        assert schedule.starts_stable(drawn.stability_limit) is seen["starts stable"]
        assert schedule(1) < schedule(0)

    examine()


def test_what_the_others_imply_cannot_be_broken_alone():
    with pytest.raises(ArgumentError, match="can be broken while the others hold"):
        strategies.strongly_convex(breaking="dissipative")
    with pytest.raises(ArgumentError, match="two dimensions"):
        strategies.ill_conditioned(1)
    with pytest.raises(ArgumentError, match="at least one dimension"):
        strategies.multimodal(0)
    with pytest.raises(ArgumentError, match="a schedule can break"):
        strategies.schedules(find(strategies.joint(), lambda d: True), breaking="smooth")
    with pytest.raises(ArgumentError, match="adjusted and unadjusted"):
        strategies.cases("learner")
