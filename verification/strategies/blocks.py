"""One-dimensional blocks: a formula, the same potential with exact draws, and its Hessian bounds.

Draws that are not transforms are by rejection below an envelope that is an inequality, so they are
exact: exp(-A cos(kx)) <= exp(|A|), exp(-q x^4/4) <= 1, and for the double well
b (x^2 - 1)^2 >= b (2 s (x^2 - 1) - s^2), a parabola in x.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.protocols import Energy

from ..samplers.portable import Arrays, portable
from ..samplers.targets import gaussian, mixture, student
from ..samplers.targets.exact_target import ExactTarget


@dataclass(frozen=True, kw_only=True, eq=False)
class Block:
    """One coordinate of a drawn target.

    Parameters
    ----------
    target : ExactTarget
        Its name says in words what it is.
    formula : Energy
        The same potential up to a constant, for certificates.
    convexity, smoothness : float
        inf U'' and sup |U''| in closed form; the second may be infinite.
    """

    target: ExactTarget
    formula: Energy
    convexity: float
    smoothness: float


@lru_cache(maxsize=256)
def normal(precision: float) -> Block:
    """N(0, 1/P)."""
    from lvebm_theory.energies.quadratic import quadratic

    return Block(
        target=gaussian(precision, name=f"normal of precision {precision:g}"),
        formula=quadratic(precision=precision),
        convexity=precision,
        smoothness=precision,
    )


@lru_cache(maxsize=256)
def rippled(stiffness: float, swing: float, ripples: float) -> Block:
    """m x^2/2 + A cos(kx), k = ``ripples`` sqrt(m), A k^2 = ``swing`` m: convex for swing <= 1."""
    from lvebm_theory.energies.cosine_perturbed import cosine_perturbed

    frequency = ripples * math.sqrt(stiffness)
    amplitude = swing / ripples**2

    def formula(xp: Arrays, x: Any) -> Any:
        y = x[:, 0]
        return stiffness * y * y / 2 + amplitude * xp.cos(frequency * y)

    def slope(xp: Arrays, x: Any) -> Any:
        return stiffness * x - amplitude * frequency * xp.sin(frequency * x)

    name = f"{stiffness:g} x^2/2 + {amplitude:.3g} cos({frequency:.3g} x)"
    return Block(
        target=ExactTarget(
            name=name,
            energy=portable(name=name, dim=1, formula=formula, slope=slope),
            draw=below_a_normal(
                1 / math.sqrt(stiffness),
                lambda y: amplitude * np.cos(frequency * y) + abs(amplitude),
            ),
            length=1 / math.sqrt(stiffness * (1 + swing)),
        ),
        formula=cosine_perturbed(stiffness=stiffness, amplitude=amplitude, frequency=frequency),
        convexity=stiffness * (1 - swing),
        smoothness=stiffness * (1 + swing),
    )


@lru_cache(maxsize=256)
def quartic_tailed(stiffness: float, quartic: float) -> Block:
    """m x^2/2 + q x^4/4: strongly convex with m, a gradient that is not Lipschitz."""
    from lvebm_theory.parse import parse_potential

    def formula(xp: Arrays, x: Any) -> Any:
        square = x[:, 0] * x[:, 0]
        return stiffness * square / 2 + quartic * square * square / 4

    def slope(xp: Arrays, x: Any) -> Any:
        return stiffness * x + quartic * x * x * x

    name = f"{stiffness:g} x^2/2 + {quartic:g} x^4/4"
    return Block(
        target=ExactTarget(
            name=name,
            energy=portable(name=name, dim=1, formula=formula, slope=slope),
            draw=below_a_normal(1 / math.sqrt(stiffness), lambda y: quartic * y**4 / 4),
            length=1 / math.sqrt(stiffness + 3 * math.sqrt(quartic)),
            lipschitz=False,
        ),
        formula=parse_potential(
            "m*x**2/2 + q*x**4/4", parameters={"m": stiffness, "q": quartic}, name="quartic_tailed"
        ),
        convexity=stiffness,
        smoothness=math.inf,
    )


@lru_cache(maxsize=256)
def two_wells(barrier: float) -> Block:
    """b (x^2 - 1)^2."""
    from lvebm_theory.energies.double_well import double_well

    s = 0.5

    def formula(xp: Arrays, x: Any) -> Any:
        return barrier * (x[:, 0] * x[:, 0] - 1) ** 2

    def slope(xp: Arrays, x: Any) -> Any:
        return 4 * barrier * x * (x * x - 1)

    name = f"{barrier:g} (x^2 - 1)^2"
    return Block(
        target=ExactTarget(
            name=name,
            energy=portable(name=name, dim=1, formula=formula, slope=slope),
            draw=below_a_normal(
                1 / math.sqrt(4 * barrier * s), lambda y: barrier * (y * y - 1 - s) ** 2
            ),
            length=1 / math.sqrt(8 * barrier),
            lipschitz=False,
        ),
        formula=double_well(b=barrier),
        convexity=-4 * barrier,
        smoothness=math.inf,
    )


@lru_cache(maxsize=256)
def two_components(separation: float, weight: float) -> Block:
    """w N(-r, 1) + (1 - w) N(r, 1): U'' lies between 1 - r^2, attained, and 1."""
    from lvebm_theory.energies.gaussian_mixture import gaussian_mixture

    weights = [weight, 1 - weight]
    means = [[-separation], [separation]]
    name = f"{weight:g} N({-separation:g}, 1) + {1 - weight:g} N({separation:g}, 1)"
    return Block(
        target=mixture(means, 1.0, weights, name=name),
        formula=gaussian_mixture(means=means, sds=1.0, weights=weights),
        convexity=1 - separation**2,
        smoothness=max(1.0, separation**2 - 1),
    )


def components_make_two_modes(separation: float, weight: float) -> bool:
    """Whether ``two_components`` has two modes.

    With r = separation > 1 exactly when |log(w/(1 - w))| < 2 r sqrt(r^2 - 1) - 2 arcosh r; never
    for r <= 1 (Robertson and Fryer, Skand. Aktuarietidskr. 52 (1969) 137).
    """
    r = separation
    if r <= 1:
        return False
    limit = 2 * r * math.sqrt(r * r - 1) - 2 * math.acosh(r)
    return abs(math.log(weight / (1 - weight))) < limit


@lru_cache(maxsize=256)
def hyperbolic(rate: float) -> Block:
    """a log cosh x: convex, smooth, tails exp(-a |x|), so not dissipative."""
    from lvebm_theory.energies.log_cosh import log_cosh

    def formula(xp: Arrays, x: Any) -> Any:
        size = xp.abs(x[:, 0])
        return rate * (size + xp.log1p(xp.exp(-2 * size)))

    def slope(xp: Arrays, x: Any) -> Any:
        return rate * xp.tanh(x)

    def draw(rng: np.random.Generator, n: int) -> FloatArray:
        one, other = rng.standard_gamma(rate / 2, size=(2, n))
        return np.asarray(np.log(one / other) / 2)[:, None]

    name = f"{rate:g} log cosh x"
    return Block(
        target=ExactTarget(
            name=name,
            energy=portable(name=name, dim=1, formula=formula, slope=slope),
            draw=draw,
            length=1 / math.sqrt(rate),
        ),
        formula=log_cosh(a=rate),
        convexity=0.0,
        smoothness=rate,
    )


@lru_cache(maxsize=256)
def polynomial_tailed(degrees: float) -> Block:
    """Student's t on the line."""
    from lvebm_theory.energies.student_t import student_t

    return Block(
        target=student(1, degrees, name=f"Student's t with {degrees:g} degrees"),
        formula=student_t(nu=degrees),
        convexity=-(degrees + 1) / (8 * degrees),
        smoothness=(degrees + 1) / degrees,
    )


def below_a_normal(
    sd: float, excess: Callable[[FloatArray], FloatArray]
) -> Callable[[np.random.Generator, int], FloatArray]:
    """Draws (n, 1) from exp(-x^2/(2 sd^2) - excess(x)), excess >= 0, by rejection."""

    def draw(rng: np.random.Generator, n: int) -> FloatArray:
        kept: list[FloatArray] = []
        have = 0
        while have < n:
            y = sd * rng.standard_normal(2 * (n - have) + 16)
            good = y[rng.random(len(y)) < np.exp(-excess(y))]
            kept.append(good)
            have += len(good)
        return np.concatenate(kept)[:n, None]

    return draw
