r"""Spectrum of the Langevin generator in the theory storey's own basis.

    -L = -Laplacian + <grad U, grad>,     0 = lambda_0 < lambda_1 <= lambda_2 <= ...

lambda_1 is the Poincare constant (the gap) of pi proportional to e^{-U}. The basis is the
weighted spectral-element space of ``line_elements`` or ``plane_elements``; no finite-volume
matrix is involved, so that a solver compared with it is compared with an independent witness.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from ..arrays import FloatArray
from ..errors import ArgumentError
from ..initial import InitialLaw
from ..protocols import Energy
from .evolution import reduced_flow
from .line_elements import LineElements
from .line_flow import flow_masses
from .modes import Elements
from .outer_modes import log_growth
from .plane_elements import PlaneElements

_KRYLOV = 160  # beyond this the reduced exponential is at rounding for smooth starts
_LOAD_ROUNDING = 1e-12  # of E |phi_k|
_SURE_LEVEL = 0.55  # of the highest U - min U on the mesh
_LARGEST_NORM = 1e8  # times machine precision, the error of p_t / pi


@dataclass(frozen=True, kw_only=True)
class Spectrum:
    """Eigenvalues with errors, and everything that pi is asked for.

    Parameters
    ----------
    eigenvalues : array (count,)
        lambda_1 <= lambda_2 <= ...; lambda_0 = 0 is left out.
    error : array (count,)
        Numerical half-widths from two resolutions and two domains; infinite above
        ``essential_bottom``, where a box sees no eigenvalue.
    essential_bottom : float
        Bottom of the essential spectrum, infinity if the spectrum is discrete.
    essential_source : str
        How that was found; empty if it is infinite.
    domain : tuple of (float, float)
        Box of the mesh; mass outside is below the errors unless tails are heavy.
    elements : Elements
    functions : array (n, count)
        Nodal eigenfunctions.
    refine : callable
        InitialLaw -> Elements fine enough to resolve that start.
    unproved : str
        Why a slow mode outside the mesh is not excluded; empty if it is, by proof.
    slope : callable, optional
        U' on the line, by which eigenfunctions are continued beyond the domain.
    coarser : Spectrum, optional
        On the line: the same with the eigenfunctions of the mesh and domain before the last.
    """

    eigenvalues: FloatArray
    error: FloatArray
    essential_bottom: float
    essential_source: str
    domain: tuple[tuple[float, float], ...]
    elements: Elements
    functions: FloatArray
    refine: Callable[[InitialLaw], Elements] = field(repr=False)
    unproved: str = ""
    slope: Callable[[FloatArray], FloatArray] | None = field(default=None, repr=False)
    coarser: Spectrum | None = field(default=None, repr=False)

    @property
    def log_normaliser(self) -> float:
        """log int e^{-U}."""
        return self.elements.log_normaliser

    def expectation(self, f: Callable[[FloatArray], FloatArray]) -> float:
        """E_pi f for f taking points (n, d) to (n,)."""
        return float(self.elements.masses @ np.asarray(f(self.elements.points)))

    def eigenfunction(self, k: int) -> Callable[..., FloatArray]:
        """phi_k with E_pi phi_k^2 = 1; k = 0 is the constant one.

        The result takes points (n, d), in one dimension also (n,), and, in one dimension, an
        order ``derivative`` (default 0); it returns (n,). Outside the domain it is continued by
        its own equation on the line, and constant in the plane; derivatives are 0 there.
        """
        if not 0 <= k <= len(self.eigenvalues):
            raise ArgumentError(f"need 0 <= k <= {len(self.eigenvalues)}, got {k}")
        if k > self.functions.shape[1]:
            raise ArgumentError(f"no eigenfunction {k}: {self.essential_source}")
        size = len(self.elements.masses)
        nodal = np.ones(size) if k == 0 else self.functions[:, k - 1]

        def phi(x: npt.ArrayLike, derivative: int = 0) -> FloatArray:
            points = np.asarray(x, dtype=float)
            if self.elements.dim == 1:
                points = points.reshape(-1)
            values = self.elements.evaluate(nodal, points, derivative)
            return values if k == 0 or derivative else self._continued(k, points, values)

        return phi

    def _continued(self, k: int, points: FloatArray, values: FloatArray) -> FloatArray:
        eigenvalue = float(self.eigenvalues[k - 1])
        if self.slope is None or not 0 < eigenvalue < self.essential_bottom:
            return values
        values = values.copy()
        low, high = self._sure
        anchors = self.elements.evaluate(self.functions[:, k - 1], np.array([low, high]))
        for edge, anchor, outside in zip(
            (low, high), anchors, (points < low, points > high), strict=True
        ):
            if outside.any():
                grown = log_growth(self.slope, eigenvalue, edge, points[outside])
                values[outside] = anchor * np.exp(grown)
        return values

    @cached_property
    def _sure(self) -> tuple[float, float]:
        """Where the free ends of the mesh have no influence on eigenfunctions yet."""
        points, height = self.elements.points[:, 0], cast(LineElements, self.elements).height
        inner = points[height <= _SURE_LEVEL * height.max()]
        return float(inner.min()), float(inner.max())

    def overlaps(self, start: InitialLaw) -> FloatArray:
        """E_start phi_k for k = 1..count: the amplitudes of the modes in p_0 / pi."""
        return np.asarray(self.refine(start).load(start) @ self._functions_on(start))

    def overlap_error(self, start: InitialLaw, k: int) -> float:
        """Numerical half-width of E_start phi_k, k >= 1; infinite in the plane.

        Twice the difference to the mesh and domain before the last, and twice that of the load
        to a trapezoidal rule over each Gaussian component, which shares no mesh with it.
        """
        if self.coarser is None:
            return float(np.inf)
        elements = self.refine(start)
        load = elements.load(start)
        found, other = (
            float(load @ s.eigenfunction(k)(elements.points)) for s in (self, self.coarser)
        )
        z = np.linspace(-12.0, 12.0, 4801)
        weight = np.exp(-(z**2) / 2)
        weight = weight / weight.sum()
        ruled, size = 0.0, 0.0
        for w, m, s in zip(start.weights, start.means[:, 0], start.sds[:, 0], strict=True):
            values = self.eigenfunction(k)(m + s * z)
            ruled += float(w * (weight @ values))
            size += float(w * (weight @ np.abs(values)))
        return 2 * abs(found - other) + 2 * abs(found - ruled) + _LOAD_ROUNDING * size

    def unknown_share(self, start: InitialLaw) -> float:
        """Mass of a start where eigenfunctions are not known: far out in the plane.

        On the line they are continued; the mesh of the plane ends at a level of U, and its free
        edge is felt some way in.
        """
        if not isinstance(self.elements, PlaneElements):
            return 0.0
        z = np.linspace(-6.0, 6.0, 121)
        axes = np.stack(np.meshgrid(z, z, indexing="ij"), axis=-1).reshape(-1, 2)
        weight = np.exp(-(axes**2).sum(axis=1) / 2)
        total = 0.0
        for w, m, s in zip(start.weights, start.means, start.sds, strict=True):
            far = self.elements.share_of_level(m + s * axes) > _SURE_LEVEL
            total += float(w * weight[far].sum() / weight.sum())
        return total

    def evolution(self, start: InitialLaw, times: Sequence[float]) -> SpectralFlow:
        """p_t / pi for the flow from a start; see ``SpectralFlow``."""
        return SpectralFlow.of(self.refine(start), start, times)

    def evolve_expectation(
        self,
        start: InitialLaw,
        f: Callable[[FloatArray], FloatArray],
        times: Sequence[float],
    ) -> FloatArray:
        """E f(X_t) for X_0 from the start, f taking points (n, d) to (n,); shape (T,)."""
        return self.evolution(start, times).expectation(f)

    def relative_entropy_curve(self, start: InitialLaw, times: Sequence[float]) -> FloatArray:
        """KL(p_t | pi) in nats, shape (T,)."""
        return self.evolution(start, times).relative_entropy()

    def _functions_on(self, start: InitialLaw) -> FloatArray:
        fine = self.refine(start).points
        return np.stack(
            [self.eigenfunction(k + 1)(fine) for k in range(len(self.eigenvalues))], axis=1
        )


@dataclass(frozen=True, kw_only=True)
class SpectralFlow:
    """The flow from one start at fixed times; results have one entry per time.

    Parameters
    ----------
    elements : Elements
    times : array (T,)
    masses : array (T, n)
        p_t at the nodes of ``elements`` as quadrature weights.
    log_reference : array (n,)
        Logarithms of the masses of pi.
    """

    elements: Elements
    times: FloatArray
    masses: FloatArray
    log_reference: FloatArray

    @classmethod
    def of(cls, elements: Elements, start: InitialLaw, times: Sequence[float]) -> SpectralFlow:
        """Solves for these times (all >= 0).

        Raises
        ------
        ArgumentError
            For bad times, and in the plane for starts with tails so much heavier than those of pi
            that p_0 / pi is beyond the reach of an expansion in L^2(pi).
        """
        when = np.atleast_1d(np.asarray(times, dtype=float))
        if when.size == 0 or np.any(when < 0) or not np.all(np.isfinite(when)):
            raise ArgumentError(f"times must be finite and >= 0, got {when.tolist()}")
        if isinstance(elements, LineElements):
            masses = flow_masses(elements, elements.load(start), when)
            log_reference = elements.log_masses
        else:
            first = float(when[when > 0].min()) if np.any(when > 0) else 1.0
            flow = reduced_flow(elements, start, 10 / first, _KRYLOV)
            if flow.norm > _LARGEST_NORM:
                raise ArgumentError(
                    f"the start {start} has chi-square {flow.norm**2:.3g} against pi: "
                    "its tails are too heavy for an expansion in L^2(pi)"
                )
            masses = np.stack([flow.ratio(t) for t in when]) * elements.masses
            log_reference = np.log(elements.masses)
        return cls(elements=elements, times=when, masses=masses, log_reference=log_reference)

    def ratio(self) -> FloatArray:
        """p_t / pi at the points of ``elements``, shape (T, n); may overflow far out."""
        with np.errstate(over="ignore"):
            return np.asarray(self.masses * np.exp(-self.log_reference))

    def expectation(self, f: Callable[[FloatArray], FloatArray]) -> FloatArray:
        """E f(X_t)."""
        return np.asarray(self.masses @ np.asarray(f(self.elements.points)))

    def chi_square(self) -> FloatArray:
        """int (p_t / pi - 1)^2 d pi."""
        with np.errstate(over="ignore", invalid="ignore"):
            terms = (self.ratio() - 1) ** 2 * self.elements.masses
        return np.asarray(np.where(self.elements.masses > 0, terms, 0.0).sum(axis=1))

    def relative_entropy(self) -> FloatArray:
        """KL(p_t | pi) as int (h log h - h + 1) d pi, h = p_t / pi: no cancellation near pi."""
        reference = self.elements.masses
        mass = np.maximum(self.masses, 0.0)  # rounding may leave a mass of -1e-20
        with np.errstate(all="ignore"):
            terms = mass * (np.log(mass) - self.log_reference) - mass + reference
            excess = mass / reference - 1
            series = reference * excess**2 * (0.5 - excess / 6 + excess**2 / 12 - excess**3 / 20)
            near = reference * ((1 + excess) * np.log1p(excess) - excess)
        terms = np.where(mass > 0, terms, reference)
        terms = np.where(np.abs(excess) < 0.5, near, terms)
        terms = np.where(np.abs(excess) < 1e-3, series, terms)
        return np.asarray(terms.sum(axis=1))


def spectrum(energy: Energy, count: int = 6) -> Spectrum:
    """The ``count`` lowest non-zero eigenvalues of -L for an energy on R or R^2.

    Raises
    ------
    ArgumentError
        In other dimensions, or if U is not finite and bounded below where it is sampled.
    SolverError
        In the plane, if tails are too heavy for a box or no affordable mesh resolves U.
    """
    if count < 1:
        raise ArgumentError(f"need count >= 1, got {count}")
    key = getattr(energy, "key", None)
    if key is None:
        return _compute(energy, count)
    full = (energy.name, key, count)
    if full not in _MEMORY:
        _MEMORY[full] = _compute(energy, count)
        while len(_MEMORY) > _REMEMBERED:
            _MEMORY.popitem(last=False)
    _MEMORY.move_to_end(full)
    return _MEMORY[full]


def _compute(energy: Energy, count: int) -> Spectrum:
    if energy.dim == 1:
        from .line_spectrum import line_spectrum

        return line_spectrum(energy, count)
    if energy.dim == 2:
        from .plane_spectrum import plane_spectrum

        return plane_spectrum(energy, count)
    raise ArgumentError(f"a spectral basis exists in dimensions 1 and 2, got {energy.dim}")


_MEMORY: OrderedDict[tuple[Any, ...], Spectrum] = OrderedDict()
_REMEMBERED = 24
