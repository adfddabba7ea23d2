"""Are the divergences of a start from exp(-U)/Z finite? A proof either way, or neither.

For a start mu = sum_k w_k N(m_k, diag s_k^2), with Q_k(x) = sum_i (x_i - m_ki)^2 / (2 s_ki^2),

    KL(mu|pi) < infinity    iff  int sqrt(1 + U^2) e^(-Q_k) < infinity  for every k,
    chi2(mu|pi) < infinity  iff  int e^(U - 2 Q_k) < infinity           for every k:

E log mu is finite for every such start, U is bounded below where exp(-U) is integrable, and
w_k^2 N_k^2 <= mu^2 <= K sum_k w_k^2 N_k^2. So both ask whether exp(-V) is integrable for a V of
their own, Q_k - log(1 + U^2)/2 and 2 Q_k - U: growth of U against the tails of the start, decided
by the proofs that decide whether exp(-U) is.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import sympy
from flint import arb

from ..errors import ArgumentError, AssumptionError
from ..initial import InitialLaw
from ..protocols import Energy
from .normalisable import certify_normalisable
from .subject import Potential, exact_number, potential_of, precisely
from .tail import Tail, radial_tail
from .transform import separated


@dataclass(frozen=True, kw_only=True)
class Finiteness:
    """What was proved about a divergence.

    Parameters
    ----------
    finite : bool or None
        None where neither could be proved.
    reason : str
        A sentence for the reader.
    """

    finite: bool | None
    reason: str


def finite_relative_entropy(energy: Energy | Potential, start: InitialLaw) -> Finiteness:
    """Whether KL(mu_0|pi) < infinity, for a formula energy with integrable exp(-U)."""
    return _decided(energy, start, "KL_0", _for_relative_entropy)


def finite_chi_square(energy: Energy | Potential, start: InitialLaw) -> Finiteness:
    """Whether chi2(mu_0|pi) < infinity, for a formula energy with integrable exp(-U)."""
    return _decided(energy, start, "chi2_0", lambda u, q: [2 * q - u.expression])


def _for_relative_entropy(potential: Potential, exponent: Any) -> list[Any]:
    """A sum over separate coordinates has a finite mean iff each summand has; a polynomial has."""
    terms = [part.expression for part in separated(potential)]
    terms = [term for term in terms if not term.is_polynomial(*potential.symbols)]
    return [exponent - sympy.log(1 + term**2) / 2 for term in terms]


@precisely
def _decided(
    energy: Energy | Potential,
    start: InitialLaw,
    name: str,
    tilted: Callable[[Potential, Any], list[Any]],
) -> Finiteness:
    try:
        potential = potential_of(energy)
    except AssumptionError as error:
        return Finiteness(finite=None, reason="; ".join(error.broken))
    if start.dim != potential.dim:
        raise ArgumentError(f"a start of dimension {start.dim} for U of dimension {potential.dim}")
    verdict = Finiteness(finite=True, reason=f"{name} is finite")
    for mean, sd in zip(start.means.tolist(), start.sds.tolist(), strict=True):
        exponent = _exponent(potential.symbols, mean, sd)
        for expression in tilted(potential, exponent):
            found = _integrable(Potential(expression, potential.symbols))
            if found is False:
                law = InitialLaw.normal(mean, sd)
                return Finiteness(
                    finite=False,
                    reason=f"{name} is infinite: U grows too fast for the tails of {law}",
                )
            if found is None:
                verdict = Finiteness(finite=None, reason=f"{name} could not be proved finite")
    return verdict


@functools.lru_cache(maxsize=512)
def _integrable(potential: Potential) -> bool | None:
    verdict = certify_normalisable(potential)
    return True if verdict.proved else False if verdict.how == "refuted" else None


def _exponent(symbols: tuple[Any, ...], mean: list[float], sd: list[float]) -> Any:
    """Q, exactly for the floats that the start holds."""
    return sum(
        (x - exact_number(m)) ** 2 / (2 * exact_number(s) ** 2)
        for x, m, s in zip(symbols, mean, sd, strict=True)
    )


@precisely
def mean_beyond(
    energy: Energy | Potential, mean: Sequence[float], sd: Sequence[float], reach: float
) -> float:
    """An upper bound of E[ |U(X)|; some |X_i - m_i| > reach s_i ], X ~ N(m, diag s^2).

    By the absolute moments of a Gaussian beyond ``reach`` where U is a polynomial, else from the
    growth of |z|^2/2 - log(1 + U^2)/2 along all rays; infinite where neither proves one.
    """
    try:
        potential = potential_of(energy)
    except AssumptionError:
        return math.inf
    moved = {
        x: exact_number(m) + exact_number(s) * x
        for x, m, s in zip(potential.symbols, mean, sd, strict=True)
    }
    total = 0.0
    for part in separated(potential):
        expression = part.expression.xreplace(moved)
        if expression.is_polynomial(*potential.symbols):
            terms = sympy.Poly(expression, *potential.symbols).terms()
            total += sum(abs(float(c)) * _moment_beyond(powers, reach) for powers, c in terms)
        else:
            total += _growth_beyond(expression, potential.symbols, reach)
    return total * (1 + 1e-9)


def _moment_beyond(powers: Sequence[int], reach: float) -> float:
    """E[ prod |z_i|^a_i; some |z_i| > reach ] at most, z standard normal."""
    whole = [float(_gamma(a, arb(0))) for a in powers]
    outer = [float(_gamma(a, arb(reach) ** 2 / 2)) for a in powers]
    return sum(
        far * math.prod(whole[:i]) * math.prod(whole[i + 1 :]) for i, far in enumerate(outer)
    )


def _gamma(power: int, start: Any) -> Any:
    """E[ |z|^a; z^2/2 > start ] = 2^(a/2) Gamma((a+1)/2, start) / sqrt pi."""
    shape = arb(power + 1) / 2
    return (arb(2) ** (arb(power) / 2) * start.gamma_upper(shape) / arb.pi().sqrt()).upper()


def _growth_beyond(expression: Any, symbols: tuple[Any, ...], reach: float) -> float:
    square = sum(z**2 for z in symbols)
    tail = _tail(Potential(square / 2 - sympy.log(1 + expression**2) / 2, symbols))
    if not isinstance(tail, Tail) or reach < tail.radius:
        return math.inf
    mass = tail.beyond(reach).mass_bound()
    return float((mass / (2 * arb.pi()) ** (arb(len(symbols)) / 2)).upper())


@functools.lru_cache(maxsize=256)
def _tail(potential: Potential) -> Tail | str:
    return radial_tail(potential)
