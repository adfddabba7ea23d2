"""The constants of an energy, each found once and graded by how it is known."""

from __future__ import annotations

import logging
import math
from collections import OrderedDict
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..constant import Constant, How
from ..errors import ArgumentError, AssumptionError, LvebmError
from ..facts import NOTHING_KNOWN, KnownFacts
from ..protocols import Energy
from .line_spectrum import wells_of
from .parts import (
    PotentialEnergy,
    exact_potential,
    independent_parts,
    provable,
    refuse_without_law,
)
from .sampled import sampled_dissipativity, sampled_hessian_bounds, unknown_gap
from .spectral import Spectrum, spectrum
from .standard import Standard, standard
from .tails import plane_threshold

if TYPE_CHECKING:
    from ..certified import Normalisability
    from .line_proof import LineProof
    from .log_sobolev import Candidate

_LOGGER = logging.getLogger(__name__)
_NAMES = ("gap", "log_sobolev", "smoothness", "convexity", "dissipativity")
_MEMORY: OrderedDict[tuple[Any, ...], EnergyConstants] = OrderedDict()
_REMEMBERED = 256
# a computed eigenvalue with a larger relative error is called an estimate
_TRUSTED = 1e-3


def constants_of(
    energy: Energy, *, certify: bool = True, relative_width: float = 1e-3
) -> EnergyConstants:
    """Constants of an energy; nothing is computed before it is asked for.

    Parameters
    ----------
    energy : Energy
    certify : bool
        False leaves out the proofs in ball arithmetic (quick looks): what is not known by formula
        is then ESTIMATED, since tails and unseen modes were only sampled.
    relative_width : float
        (upper - lower) / value asked of a certified gap.

    Returns
    -------
    EnergyConstants
        The same object for the same formula, parameters and options.
    """
    key = getattr(energy, "key", None)
    if key is None:
        return EnergyConstants(energy, certify, relative_width)
    full = (energy.name, key, certify, relative_width)
    if full not in _MEMORY:
        _MEMORY[full] = EnergyConstants(energy, certify, relative_width)
        while len(_MEMORY) > _REMEMBERED:
            _MEMORY.popitem(last=False)
    _MEMORY.move_to_end(full)
    return _MEMORY[full]


class EnergyConstants:
    """Lazy, cached constants; see ``constants_of``.

    Attributes
    ----------
    energy : Energy
    certify : bool
    relative_width : float
    proofs_only : bool
        Leave out log-Sobolev bounds that are computed but not proved.
    """

    def __init__(
        self,
        energy: Energy,
        certify: bool,
        relative_width: float,
        *,
        proofs_only: bool = False,
    ) -> None:
        self.energy, self.certify, self.relative_width = energy, certify, relative_width
        self.proofs_only = proofs_only

    @cached_property
    def facts(self) -> KnownFacts:
        """What the energy itself says."""
        return getattr(self.energy, "facts", NOTHING_KNOWN)

    @cached_property
    def parts(self) -> list[EnergyConstants]:
        """Constants of independent groups of coordinates; [self] if there is one group."""
        energies = independent_parts(self.energy)
        if len(energies) == 1:
            return [self]
        return [EnergyConstants(e, self.certify, self.relative_width) for e in energies]

    @cached_property
    def standard(self) -> Standard | None:
        """The energy, of one or two coordinates, in its own; None if it is there already."""
        if self.energy.dim > 2 or (self.energy.dim == 2 and len(self.parts) > 1):
            return None
        found = None
        with suppress(LvebmError):
            found = standard(self.energy)
        return None if found is None or found.trivial else found

    @cached_property
    def _standardised(self) -> EnergyConstants | None:
        if self.standard is None:
            return None
        inner = EnergyConstants(
            self.standard.energy,
            self.certify,
            self.relative_width,
            proofs_only=self.proofs_only,
        )
        inner.standard = None
        return inner

    @cached_property
    def spectrum(self) -> Spectrum:
        """The lowest eigenvalues (dimensions 1 and 2); raises LvebmError if there are none."""
        return spectrum(self.energy, 2)

    @cached_property
    def gap(self) -> Constant:
        """The Poincare constant: Var_pi f <= E |grad f|^2 / gap."""
        if self.facts.gap is not None and self.facts.gap.how in (How.EXACT, How.CERTIFIED):
            return self.facts.gap
        if (exact := self._quadratic_rate("gap")) is not None:
            return exact
        try:
            refuse_without_law(self.energy)
        except ArgumentError as refusal:
            return unknown_gap(self.energy, refusal)
        if len(self.parts) > 1:
            return _least([part.gap for part in self.parts], "product of independent coordinates")
        if self.standard is not None and self._standardised is not None:
            return self.standard.back(self._standardised.gap)
        if self.energy.dim > 2:
            return self._gap_from_convexity()
        computed = self._computed_gap()
        certified = self._certified_gap() if self.energy.dim == 1 and self.certify else None
        if certified is None:
            return computed
        if computed.lower > certified.upper or computed.upper < certified.lower:
            _LOGGER.warning(
                "%s: computed gap %s lies outside the proved [%s, %s]",
                self.energy.name,
                computed.value,
                certified.lower,
                certified.upper,
            )
        value = min(max(computed.value, certified.lower), certified.upper)
        return Constant(
            value=value,
            lower=certified.lower,
            upper=certified.upper,
            how=certified.how,
            source=certified.source,
        )

    @cached_property
    def line_proof(self) -> LineProof | None:
        """Proofs around the mesh of ``spectrum``; None without a formula or in the plane."""
        potential = exact_potential(self.energy) if self.certify else None
        if potential is None or self.energy.dim != 1:
            return None
        from .line_proof import LineProof

        return LineProof(potential, self.spectrum)

    def _gap_on_the_line(self) -> Constant:
        try:
            found = self.spectrum
        except LvebmError as failure:
            return self._gap_without_mesh(failure)
        value, error = float(found.eigenvalues[0]), float(found.error[0])
        lower, upper, how = max(0.0, value - error), value + error, How.ESTIMATED
        proof = self.line_proof
        bounds = None if proof is None else proof.gap_bounds()
        if bounds is not None and bounds[0] > 0:
            lower, upper = bounds
            value = min(max(value, lower), upper)
            how = How.COMPUTED if upper - lower <= 2 * _TRUSTED * value else How.ESTIMATED
        source = f"weighted spectral elements on {_box_text(found.domain)}, two resolutions"
        if found.essential_source:
            source += f"; {found.essential_source}"
        source += (
            "; tails and unseen modes are not excluded"
            if bounds is None
            else "; |U'|^2/4 - U''/2 proved above the gap outside"
        )
        return Constant(value=value, lower=lower, upper=upper, how=how, source=source)

    def _gap_without_mesh(self, failure: LvebmError) -> Constant:
        potential = exact_potential(self.energy) if self.certify else None
        if potential is not None:
            from ..certified.capacity import capacity_bound

            with suppress(LvebmError):
                bound: Constant = capacity_bound(potential, *wells_of(self.energy))
                return bound
        return unknown_gap(self.energy, failure)

    def slow_tail(self, power: int) -> str:
        """Where U / |x|^power -> 0 was proved; empty if nowhere, or nothing may be proved."""
        subject = provable(self.energy)
        if not self.certify or subject is None:
            return ""
        from ..certified.slow_tails import slower_than

        return slower_than(subject, power)

    def _computed_gap(self) -> Constant:
        if tail := self.slow_tail(1):
            return Constant(
                value=0.0,
                lower=0.0,
                upper=0.0,
                how=How.CERTIFIED,
                source=f"U / |x| tends to 0 along {tail}: no exponential moment, no gap",
            )
        if self.energy.dim == 1:
            return self._gap_on_the_line()
        if self.energy.dim == 2 and plane_threshold(self.energy, 1e4) == 0:
            return Constant(
                value=0.0,
                lower=0.0,
                upper=0.0,
                how=How.ESTIMATED,
                source="on samples |grad U|^2/4 - Lap U/2 tends to 0: probably no gap",
            )
        try:
            found = self.spectrum
        except LvebmError as failure:
            return unknown_gap(self.energy, failure)
        value, error = float(found.eigenvalues[0]), float(found.error[0])
        source = f"weighted spectral elements on {_box_text(found.domain)}, two resolutions"
        if found.essential_source:
            source += f"; {found.essential_source}"
        if found.unproved:
            source += f"; a slow mode outside is not excluded: {found.unproved}"
        trusted = error <= _TRUSTED * value or (value == 0 and found.essential_bottom == 0)
        trusted = trusted and not found.unproved
        return Constant(
            value=value,
            lower=max(0.0, value - error),
            upper=value + error,
            how=How.COMPUTED if trusted else How.ESTIMATED,
            source=source,
        )

    def _certified_gap(self) -> Constant | None:
        subject = provable(self.energy)
        if subject is None:
            return None
        from ..certified import certified_gap_1d

        try:
            found: Constant = certified_gap_1d(subject, self.relative_width)
        except AssumptionError:
            return None
        return found

    def _gap_from_convexity(self) -> Constant:
        lower = self.log_sobolev.lower
        if lower > 0:
            return Constant(
                value=lower,
                lower=lower,
                upper=math.inf,
                how=self.log_sobolev.how,
                source=f"at least the log-Sobolev constant; {self.log_sobolev.source}",
            )
        return unknown_gap(self.energy, f"no spectral basis in dimension {self.energy.dim}")

    @cached_property
    def candidates(self) -> tuple[Candidate, ...]:
        """Every lower bound of the log-Sobolev constant that was tried, best first."""
        from .log_sobolev import lower_bounds

        if self.standard is not None and self._standardised is not None:
            return tuple(c.stretched(self.standard) for c in self._standardised.candidates)
        return lower_bounds(self)

    @cached_property
    def log_sobolev(self) -> Constant:
        """rho in KL <= FI / (2 rho); ``lower`` is the best bound found, ``upper`` the gap's.

        The grade is that of the lower bound, which is what theorems use; ``value`` is that
        bound too.
        """
        known = self.facts.log_sobolev
        if known is not None and known.how in (How.EXACT, How.CERTIFIED):
            return known
        if (exact := self._quadratic_rate("log_sobolev")) is not None:
            return exact
        from .log_sobolev import best_constant

        return best_constant(self)

    @property
    def contradiction(self) -> str | None:
        """Why the two cannot both be true, where log_sobolev.lower lies above gap.upper.

        LSI(rho) implies a spectral gap of at least rho, so that one of the two is then wrong.
        None where they are consistent, up to rounding, or where the gap is ESTIMATED.
        """
        from .log_sobolev import exceeds

        rho, gap = self.log_sobolev, self.gap
        if gap.how is How.ESTIMATED or not exceeds(rho.lower, gap.upper):
            return None
        return (
            f"the log-Sobolev constant is at least {rho.lower:.9g} ({rho.how.value}) and the "
            f"spectral gap at most {gap.upper:.9g} ({gap.how.value}); one of the two is wrong"
        )

    @cached_property
    def _hessian_bounds(self) -> tuple[Constant, Constant]:
        if self.energy.dim == 2 and self.standard is not None and self._standardised is not None:
            convexity, smoothness = self._standardised._hessian_bounds
            return self.standard.back(convexity), self.standard.back(smoothness)
        subject = provable(self.energy)
        if self.certify and subject is not None:
            from ..certified import hessian_bounds

            with suppress(LvebmError):
                convexity, smoothness = hessian_bounds(subject)
                return convexity, smoothness
        return sampled_hessian_bounds(self.energy)

    @cached_property
    def convexity(self) -> Constant:
        """The least eigenvalue of Hess U over R^d, negative, or -infinity, for non-convex U."""
        return _stronger(self.facts.convexity, lambda: self._hessian_bounds[0])

    @cached_property
    def smoothness(self) -> Constant:
        """The Lipschitz constant L of grad U: the largest absolute eigenvalue of Hess U.

        Not the largest eigenvalue: a concave stretch of curvature -L counts as much. Infinity for
        quartic growth or kinks.
        """
        return _stronger(self.facts.smoothness, lambda: self._hessian_bounds[1])

    @cached_property
    def _dissipativity(self) -> tuple[Constant, float, tuple[float, ...]]:
        known, offset = self.facts.dissipativity, self.facts.dissipativity_offset
        origin = (0.0,) * self.energy.dim
        if known is not None and offset is not None:
            return _with_offset(known, offset, origin), offset, origin
        subject = provable(self.energy)
        if self.certify and subject is not None:
            from ..certified import centre, dissipativity

            with suppress(LvebmError):
                z = centre(subject)
                rate, c = dissipativity(subject, z)
                return _with_offset(rate, c, z), c, z
        rate, c = sampled_dissipativity(self.energy)
        return rate, c, origin

    @property
    def dissipativity(self) -> Constant:
        """a in <grad U(x), x - z> >= a |x - z|^2 - c; the source names c and the centre z."""
        return self._dissipativity[0]

    @property
    def dissipativity_offset(self) -> float:
        """c in <grad U(x), x - z> >= a |x - z|^2 - c."""
        return self._dissipativity[1]

    @property
    def dissipativity_centre(self) -> tuple[float, ...]:
        """z in <grad U(x), x - z> >= a |x - z|^2 - c: the origin unless U lies far from it."""
        return self._dissipativity[2]

    @cached_property
    def normalisable(self) -> Normalisability:
        """Whether int exp(-U) < infinity was proved; unproved for energies without a formula."""
        from ..certified import Normalisability, certify_normalisable

        subject = provable(self.energy)
        if subject is None:
            reason = f"{self.energy.name} is not given by a formula"
            return Normalisability(proved=False, how="", reason=reason)
        return certify_normalisable(subject)

    def _quadratic_rate(self, name: str) -> Constant | None:
        """lambda_min of a constant positive definite Hessian: gap and LSI of a Gaussian."""
        try:
            potential = exact_potential(self.energy)
        except LvebmError:
            return None
        if potential is None or potential.quadratic_form is None:
            return None
        from ..certified import hessian_bounds

        convexity, _ = hessian_bounds(potential)
        if not convexity.lower > 0:
            return None
        return Constant(
            value=convexity.value,
            lower=convexity.lower,
            upper=convexity.upper,
            how=How.EXACT,
            source="U is quadratic: smallest eigenvalue of its Hessian"
            + ("" if name == "gap" else ", Bakry-Emery with equality"),
        )

    def as_json(self) -> dict[str, dict[str, Any]]:
        """{name: {value, lower, upper, how, source}}; numbers that are not finite become None."""
        return {name: _json(getattr(self, name)) for name in _NAMES}


def _json(constant: Constant) -> dict[str, Any]:
    numbers = {
        key: number if math.isfinite(number := float(getattr(constant, key))) else None
        for key in ("value", "lower", "upper")
    }
    return {**numbers, "how": constant.how.value, "source": constant.source}


def _stronger(known: Constant | None, found: Any) -> Constant:
    """The fact if it is proved, else what the computation gives if that is graded higher."""
    if known is not None and known.how in (How.EXACT, How.CERTIFIED):
        return known
    other: Constant = found()
    return known if known is not None and known.how.rank <= other.how.rank else other


def _with_offset(rate: Constant, offset: float, centre: tuple[float, ...]) -> Constant:
    if "offset c" in rate.source:
        return rate
    return Constant(
        value=rate.value,
        lower=rate.lower,
        upper=rate.upper,
        how=rate.how,
        source=f"{rate.source}; offset c = {offset:.9g}, {_about(centre)}",
    )


def _about(centre: tuple[float, ...]) -> str:
    if not any(centre):
        return "about the origin"
    return f"about ({', '.join(f'{z:.9g}' for z in centre)})"


def _least(constants: list[Constant], why: str) -> Constant:
    """The minimum of several constants, at the weakest grade that matters."""
    upper = min(c.upper for c in constants)
    relevant = [c for c in constants if c.lower <= upper]
    least = min(constants, key=lambda c: c.value)
    return Constant(
        value=least.value,
        lower=min(c.lower for c in constants),
        upper=upper,
        how=How.weakest(*(c.how for c in relevant)),
        source=f"{why}: {least.source}",
    )


def _box_text(domain: tuple[tuple[float, float], ...]) -> str:
    return " x ".join(f"[{a:.4g}, {b:.4g}]" for a, b in domain)


__all__ = ["EnergyConstants", "PotentialEnergy", "constants_of"]
