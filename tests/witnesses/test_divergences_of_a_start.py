"""KL and chi-square of a start: infinite where they are, and else within the stated width."""

import math

import mpmath
import numpy as np
import pytest

from lvebm_theory.certified import finite_chi_square, finite_relative_entropy
from lvebm_theory.certified.start import mean_beyond
from lvebm_theory.errors import AssumptionError
from lvebm_theory.initial import InitialLaw
from lvebm_theory.parse import parse_initial, parse_potential
from verification.initial_entropy import relative_entropy_of_start

FAST = "exp(x**2/4)"


def exact_mean(potential: object, mean: float, sd: float, beyond: float = 0.0) -> float:
    """E U under N(mean, sd^2), or of the part more than so many deviations away."""

    def integrand(z: object) -> object:
        return potential(mean + sd * z) * mpmath.npdf(z)  # type: ignore[operator]

    with mpmath.workdps(30):
        ends = [beyond + 2 * k for k in range(110)]
        right = mpmath.quad(integrand, ends)
        return float(right + mpmath.quad(integrand, [-e for e in reversed(ends)]))


@pytest.mark.parametrize("seed", range(8))
def test_on_the_line_growth_against_the_tails_decides(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rate, bend = rng.uniform(0.1, 3.0, size=2).round(3)
    centre = rng.uniform(-20, 20)
    for share, finite in ((0.99, True), (1.01, False)):
        # E e^(rate x^2) is finite iff 2 rate sd^2 < 1
        start = InitialLaw.normal(centre, share / math.sqrt(2 * rate))
        energy = parse_potential(f"exp({rate}*x**2) + cos(x)")
        assert finite_relative_entropy(energy, start).finite is finite
        # int e^(U - 2 Q) is finite for U = bend x^2/2 iff bend sd^2 < 2
        start = InitialLaw.normal(centre, share * math.sqrt(2 / bend))
        energy = parse_potential(f"{bend}*x**2/2 + sin(3*x)")
        assert finite_chi_square(energy, start).finite is finite
        assert finite_relative_entropy(energy, start).finite is True


@pytest.mark.parametrize(
    ("text", "law", "entropy", "chi_square"),
    [
        (FAST, "normal(0, 1.6)", False, False),
        (FAST, "0.5*normal(0, 1) + 0.5*normal(0, 1.6)", False, False),
        (FAST, "normal(0, 1.2)", True, False),
        ("x**2/2", "normal(0, 30)", True, False),
        ("x**2/2", "normal(0, 1.41)", True, True),
        ("x**4/4 - x**2", "normal(0.3, 0.01)", True, False),
        ("abs(x)", "normal(5, 10)", True, True),
        ("exp(x**2/4) + y**2/2", "normal(0, 1.6)*normal(0, 1)", False, False),
        ("exp(x**2/4) + y**2/2", "normal(0, 1.2)*normal(0, 1.2)", True, False),
        ("x**2 + x*y + y**2", "normal(0, 0.3)*normal(1, 0.3)", True, True),
        ("x**2 + x*y + y**2", "normal(0, 1)*normal(1, 0.3)", True, False),
        ("(x**2 - 1)**2 + (y - x)**2/2", "normal(0, 1)*normal(1, 1)", True, False),
    ],
)
def test_what_is_infinite_is_said(text: str, law: str, entropy: bool, chi_square: bool) -> None:
    energy = parse_potential(text)
    start = parse_initial(law, energy.dim)
    assert finite_relative_entropy(energy, start).finite is entropy
    found = finite_chi_square(energy, start)
    assert found.finite is chi_square
    if not chi_square:
        assert "chi2_0 is infinite" in found.reason


def test_an_infinite_relative_entropy_is_no_number() -> None:
    energy = parse_potential(FAST)
    for sd in (1.4142136, 1.6, 30.0):
        with pytest.raises(AssumptionError, match="KL_0 is infinite"):
            relative_entropy_of_start(energy, InitialLaw.normal(0.0, sd), (0.0, 0.0))
    # nothing proved, and beyond every double: not a number either
    with pytest.raises(AssumptionError, match="could not be proved"):
        relative_entropy_of_start(
            parse_potential("exp(exp(x**2))"), InitialLaw.normal(0.0, 0.1), (0.0, 0.0)
        )


@pytest.mark.parametrize("sd", [0.3, 1.2, 1.3, 1.38, 1.4])
def test_finite_values_are_within_their_width_up_to_the_edge(sd: float) -> None:
    # E e^(x^2/4) = (1 - sd^2/2)^(-1/2)
    energy, start = parse_potential(FAST), InitialLaw.normal(0.0, sd)
    exact = (1 - sd**2 / 2) ** -0.5 - 0.5 - math.log(sd * math.sqrt(2 * math.pi))
    found = relative_entropy_of_start(energy, start, (0.0, 0.0))
    assert found.lower <= exact <= found.upper
    assert found.numerical < 1e-4 * abs(exact) + 1e-11


def test_the_part_beyond_is_proved_and_needed() -> None:
    sd, energy = 1.38, parse_potential(FAST)
    for reach in (10.0, 14.0, 20.0):
        beyond = exact_mean(lambda x: mpmath.exp(x**2 / 4), 0.0, sd, reach)
        bound = mean_beyond(energy, [0.0], [sd], reach)
        assert beyond <= bound < 100 * beyond
    # without it the nodes out to ten deviations would be off by a thousand of their own widths
    assert exact_mean(lambda x: mpmath.exp(x**2 / 4), 0.0, sd, 10.0) > 1e-9
    # a polynomial's moments, in closed form
    quartic = parse_potential("x**4/4 - x**2 + 3*x")
    exact = exact_mean(lambda x: abs(x**4 / 4 - x**2 + 3 * x), 1.0, 2.0, 5.0)
    assert exact <= mean_beyond(quartic, [1.0], [2.0], 5.0) < 20 * exact
    assert mean_beyond(parse_potential("exp(exp(x**2))"), [0.0], [1.0], 10.0) == math.inf


@pytest.mark.parametrize(
    ("text", "potential"),
    [
        ("cosh(x)", mpmath.cosh),
        ("x**2/(1 + log(1 + x**2/1000))", lambda x: x**2 / (1 + mpmath.log(1 + x**2 / 1000))),
        ("x**6/6 - 3*x**2", lambda x: x**6 / 6 - 3 * x**2),
    ],
)
def test_values_agree_with_multiprecision(text: str, potential: object) -> None:
    mean, sd = 1.5, 2.5
    exact = exact_mean(potential, mean, sd) - 0.5 - math.log(sd * math.sqrt(2 * math.pi))
    found = relative_entropy_of_start(
        parse_potential(text), InitialLaw.normal(mean, sd), (0.0, 0.0)
    )
    assert found.lower <= exact <= found.upper
    assert found.numerical < 1e-9 * (1 + abs(exact))


def test_energies_without_a_formula_are_followed_on_the_nodes() -> None:
    # E U = sd^2/2 + E |x|; nothing can be proved, and the nodes go to their end
    class Plain:
        name, dim, smooth = "plain", 1, False

        def potential(self, x: np.ndarray) -> np.ndarray:
            return np.asarray(x[:, 0] ** 2 / 2)

    exact = 0.5 * 1.3**2 - 0.5 - math.log(1.3 * math.sqrt(2 * math.pi))
    found = relative_entropy_of_start(Plain(), InitialLaw.normal(0.0, 1.3), (0.0, 0.0))
    assert found.lower <= exact <= found.upper
    assert found.numerical < 1e-8


def test_the_claims_that_ask_for_it_say_so_before_they_solve(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from verification import grid_witness
    from verification.claim import BUDGETS, Context
    from verification.claims.flow.kl_decay import claim as kl_decay
    from verification.claims.flow.w2_talagrand_decay import claim as through_talagrand

    def never(*_: object, **__: object) -> None:
        raise RuntimeError("solved")

    monkeypatch.setattr(grid_witness, "density_path", never)
    energy = parse_potential("x**2/2 + exp(x**2/4)")
    context = Context(look=0, alpha=1e-3, seed=0, budget=BUDGETS["quick"])
    for claim in (kl_decay, through_talagrand):
        for sd, error, words in (
            (1.6, AssumptionError, "KL_0 is infinite"),
            (1.3, RuntimeError, "solved"),
        ):
            setting = claim.adapt(energy, InitialLaw.normal(0.0, sd), (0.1, 0.5))
            with pytest.raises(error, match=words):
                claim.evaluate(setting, claim.cases(setting, "numba")[:1], context)
