"""Lower bounds of the log-Sobolev constant: every one that applies, the best one kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..constant import Constant, How
from ..errors import ArgumentError, LvebmError
from .half_line_criteria import barthe_roberto
from .holley_stroock import holley_stroock
from .mixture_bound import mixture_bound
from .parts import refuse_without_law
from .perturbation import bounded_perturbation
from .plane_envelope import plane_envelope
from .ridge_envelope import ridge_envelope
from .sampled import seems_convex, unknown_gap
from .shear import shear
from .tails import slower_than_quadratic

if TYPE_CHECKING:
    from .energy_constants import EnergyConstants
    from .standard import Standard

_PROVED = (How.EXACT, How.CERTIFIED)
_NOTE = "; upper: the gap ("
# rho and gap are rounded separately where they are one number
_ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """rho >= lower by one argument.

    ``how`` grades the lower bound alone; ``source`` names the argument and its numbers.
    """

    name: str
    lower: float
    how: How
    source: str

    def stretched(self, standard: Standard) -> Candidate:
        """The bound for U from that for V(y) = U(c + s y)."""
        lower = self.lower / float(standard.scale) ** 2
        return replace(self, lower=lower, source=self.source + standard.remark)


def bakry_emery(constants: EnergyConstants) -> Candidate | None:
    """rho >= m if Hess U >= m > 0 (Bakry and Emery 1985)."""
    if not seems_convex(constants.energy):  # spares a proof that must fail
        return None
    convexity = constants.convexity
    if not convexity.lower > 0:
        return None
    return Candidate(
        name="bakry-emery",
        lower=convexity.lower,
        how=convexity.how,
        source=f"Bakry-Emery: Hess U >= {convexity.lower:.9g} ({convexity.source})",
    )


def tensorisation(constants: EnergyConstants) -> Candidate | None:
    """rho(pi_1 x pi_2) = min(rho_1, rho_2) for independent groups of coordinates."""
    parts = constants.parts
    if len(parts) == 1:
        return None
    least = min((p.log_sobolev for p in parts), key=lambda c: c.lower)
    return Candidate(
        name="tensorisation",
        lower=least.lower,
        how=How.weakest(*(p.log_sobolev.how for p in parts)),
        source=f"product of independent coordinates: {argument_of(least)}",
    )


_ARGUMENTS: tuple[Callable[[EnergyConstants], Candidate | None], ...] = (
    bakry_emery,
    tensorisation,
    holley_stroock,
    barthe_roberto,
    bounded_perturbation,
    ridge_envelope,
    mixture_bound,
    shear,
    plane_envelope,
)
_UNPROVED = (barthe_roberto, plane_envelope)


def argument_of(constant: Constant) -> str:
    """The source of a log-Sobolev constant without the remark on its upper bound."""
    return constant.source.split(_NOTE)[0]


def lower_bounds(constants: EnergyConstants) -> tuple[Candidate, ...]:
    """Every candidate that applies: proved ones first, largest first."""
    if _without_inequality(constants):
        return ()
    return tuple(
        sorted(_applicable(constants), key=lambda c: (c.how not in _PROVED, c.how.rank, -c.lower))
    )


def _applicable(constants: EnergyConstants) -> Iterator[Candidate]:
    for argument in _ARGUMENTS:
        if constants.proofs_only and argument in _UNPROVED:
            continue
        try:
            candidate = argument(constants)
        except LvebmError:
            continue
        if candidate is not None:
            yield candidate


def _without_inequality(constants: EnergyConstants) -> str:
    """Why there is no log-Sobolev inequality, proved; empty if that is not known."""
    if tail := constants.slow_tail(2):
        return f"U / |x|^2 tends to 0 along {tail}: no Gaussian moment (Herbst), no LSI"
    if len(constants.parts) > 1:
        for part in constants.parts:
            if part.log_sobolev.how in _PROVED and part.log_sobolev.upper == 0:
                return part.log_sobolev.source
    return ""


def _seems_slow(constants: EnergyConstants) -> bool:
    energy = constants.energy
    return energy.dim <= 2 and len(constants.parts) == 1 and slower_than_quadratic(energy)


def exceeds(lower: float, upper: float) -> bool:
    """True where a lower bound of rho lies above the gap's upper end by more than rounding."""
    return lower > upper * (1.0 + _ROUNDING)


def best_constant(constants: EnergyConstants) -> Constant:
    """The best proved candidate, else the best computed one, between 0 and the gap.

    Zero if U grows slower than quadratically: LSI(rho) implies E exp(c |X|^2) < infinity for
    c < rho/2 (Herbst), so that exponential and heavier tails have none. A bound above the gap's
    upper end is returned as it is: see ``EnergyConstants.contradiction``.
    """
    try:
        refuse_without_law(constants.energy)
    except ArgumentError as refusal:
        return unknown_gap(constants.energy, refusal)
    if reason := _without_inequality(constants):
        return Constant(value=0.0, lower=0.0, upper=0.0, how=How.CERTIFIED, source=reason)
    candidates = constants.candidates
    # in dimensions without a spectral basis the gap is itself taken from the log-Sobolev bound
    spectral = constants.energy.dim <= 2 or len(constants.parts) > 1
    spectral = spectral and not constants.proofs_only
    gap = constants.gap if spectral else None
    upper = float("inf") if gap is None else gap.upper
    note = "" if gap is None or gap.how in _PROVED else f"{_NOTE}{gap.how.value})"
    if not candidates or (candidates[0].how not in _PROVED and _seems_slow(constants)):
        reason = "no argument for a log-Sobolev inequality applies"
        if _seems_slow(constants):
            reason = "on samples U / |x|^2 falls towards 0: probably no LSI"
        return Constant(
            value=0.0, lower=0.0, upper=upper, how=How.ESTIMATED, source=f"{reason}{note}"
        )
    best = candidates[0]
    if exceeds(best.lower, upper):
        note += f"; contradicted by the gap, which is at most {upper:.9g}"
    return Constant(
        value=best.lower,
        lower=best.lower,
        upper=max(upper, best.lower),
        how=best.how,
        source=best.source + note,
    )
