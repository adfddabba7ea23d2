"""Densities along time on a sequence of resolutions, and functionals with numerical widths."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lvebm_theory import functionals
from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError
from lvebm_theory.initial import InitialLaw
from lvebm_theory.protocols import Energy

from .beyond import beyond
from .extrapolation import IRREGULAR, extrapolate
from .generator import Generator
from .grid import Grid
from .semigroup import Snapshot

Curve = tuple[FloatArray, FloatArray]

_MASS_ROUNDING = 1e-13
_CHANCE = 0.2
_NOTHING = 1e-18  # a divergence below it is zero
# share of the correction that stays in half-widths where errors may still be of half the first
# order in the spacing (a front that upwinding smears): the correction is then a fifth to a half
_UNRESOLVED = 5.0
_STEEP_CELL = 4.0  # change of U between neighbouring cells


@dataclass(frozen=True, kw_only=True)
class DensityState:
    """What a functional may look at: one density on one grid.

    Attributes
    ----------
    grid : Grid
    masses : array (*grid.shape), non-negative, summing to one
    excess : array, masses - gibbs, known to its own relative accuracy
    log_gibbs : array, logarithms of the Gibbs masses
    log_normaliser : log int exp(-U)
    noise : mass below which nothing is known of tails
    """

    grid: Grid
    masses: FloatArray
    excess: FloatArray
    log_gibbs: FloatArray
    log_normaliser: float
    noise: float = 0.0

    def beyond(self, terms: FloatArray, masses: FloatArray) -> tuple[float, bool]:
        """Sum of terms >= 0 beyond the cells that are known by their masses; see ``beyond``."""
        return beyond(terms, masses, self.grid.edges, self.noise)


@dataclass(frozen=True, kw_only=True, eq=False)
class Level:
    """One resolution: its generator (one per time where the potential moves) and snapshots.

    ``work`` counts updates of single cells.
    """

    generators: Sequence[Generator]
    snapshots: Sequence[Snapshot]
    work: float = 0.0

    @property
    def grid(self) -> Grid:
        """The cells of this resolution."""
        return self.generators[0].grid

    def generator(self, index: int) -> Generator:
        """The generator at a time index."""
        return self.generators[min(index, len(self.generators) - 1)]

    def state(self, index: int) -> DensityState:
        """The density at a time index."""
        generator, snapshot = self.generator(index), self.snapshots[index]
        return DensityState(
            grid=generator.grid,
            masses=snapshot.masses,
            excess=snapshot.excess,
            log_gibbs=generator.log_gibbs,
            log_normaliser=generator.log_normaliser,
            noise=snapshot.noise,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class DensityPath:
    """Solution of a Fokker-Planck equation at chosen times.

    Methods named for functionals return ``(values, half_widths)``, arrays (T,): values
    extrapolated from the two finest resolutions, half-widths from the coarser ones, and from what
    lies beyond the box or beyond what is known in it. A half-width is infinite where that cannot
    be bounded, and a value is where the quantity grows with every box. ``masses`` are those of
    the finest resolution, not extrapolated.

    Attributes
    ----------
    energy : Energy (the last one where the potential moves)
    times : array (T,)
    levels : resolutions, coarsest first
    escaped : bound of the mass that would have left the box by the last time (``outflow``)
    resolved : False where the finest grid is still too coarse for the start; half-widths then
        include the whole effect of the extrapolation
    unremoved : share of the correction that stays in half-widths (``resolution``)
    start : the law at time 0 where it is not given by masses; at that time relative entropy and
        chi-square are infinite where that is proved
    """

    energy: Energy
    times: FloatArray
    levels: tuple[Level, ...]
    escaped: float
    resolved: bool = True
    unremoved: float = 0.0
    start: InitialLaw | None = None

    @property
    def grid(self) -> Grid:
        """The finest grid."""
        return self.levels[-1].grid

    @functools.cached_property
    def masses(self) -> FloatArray:
        """Cell masses, shape (T, *grid.shape)."""
        return np.stack([s.masses for s in self.levels[-1].snapshots])

    @property
    def gibbs(self) -> FloatArray:
        """Cell masses of the (last) Gibbs state, shape grid.shape."""
        return self.levels[-1].generators[-1].gibbs

    @property
    def _cells(self) -> list[int]:
        return [level.grid.shape[0] for level in self.levels]

    @functools.cached_property
    def log_normaliser(self) -> tuple[float, float]:
        """log int exp(-U) over the box and its half-width."""
        logs = np.array([level.generators[-1].log_normaliser for level in self.levels])
        value, width = extrapolate(logs, self._cells)
        return float(value), float(width)

    @property
    def negative_mass(self) -> FloatArray:
        """Mass of rounding negatives set to zero at each time, the worst level; (T,)."""
        worst = np.max([[s.negative for s in level.snapshots] for level in self.levels], axis=0)
        return np.asarray(worst)

    def states(self, index: int) -> list[DensityState]:
        """The density at a time index on every resolution, coarsest first."""
        return [level.state(index) for level in self.levels]

    def functional(self, function: Callable[[DensityState], float], *, kept: float = 0.0) -> Curve:
        """Any functional of the density, evaluated on every resolution and extrapolated.

        ``kept`` is for quantities whose errors are no power series; see ``extrapolate``.
        """
        values = np.array(
            [
                [function(level.state(index)) for index in range(len(self.times))]
                for level in self.levels
            ]
        )
        kept = max(kept, self.unremoved) if self.resolved else _UNRESOLVED
        with np.errstate(invalid="ignore"):
            value, width = extrapolate(values, self._cells, kept=kept, doubt=True)
        kinked = self.grid.dim > 1 and not self.energy.smooth
        if kinked or not self.resolved:
            # kinks cut cells at random, and errors of a start that no cell resolves change sign on
            # the way: one may nearly vanish at one time by chance only
            share = np.divide(width, np.abs(value), out=np.zeros_like(width), where=value != 0)
            finite = share[np.isfinite(share) & (self.times > 0)]
            chance = _CHANCE if self.resolved else 1.0
            width = np.maximum(width, chance * finite.max(initial=0.0) * np.abs(value))
        lost = ~np.isfinite(values).all(axis=0)
        width = width + self._clean_up(values)
        return np.where(lost, values[-1], value), np.where(lost, np.inf, width)

    def _clean_up(self, values: FloatArray) -> FloatArray:
        """What moving the cleaned mass could change: its share, and its logarithm, of the value."""
        negative = self.negative_mass
        logs = np.maximum(-np.log(np.maximum(negative, 1e-300)), 1.0)
        sizes = np.abs(values).max(axis=0)
        return np.asarray(negative * (logs + np.where(np.isfinite(sizes), sizes, 0.0)))

    def _with_beyond(
        self,
        curve: Curve,
        terms: Callable[[DensityState], FloatArray],
        largest: FloatArray,
        *,
        relative: bool,
    ) -> Curve:
        """The curve with what lies beyond the known cells in its half-widths.

        Parameters
        ----------
        terms : state -> array (*grid.shape) >= 0 whose sum is the functional's size
        largest : array (T,), what a unit of escaped mass can change
        relative : whether the terms compare p with pi, and are known where pi alone has mass
        """
        escaped = np.where(self.times > 0, self.escaped, 0.0)
        escaped = escaped + np.array([state.noise for state in self._finest])
        with np.errstate(invalid="ignore"):
            value, width = curve[0].copy(), curve[1] + np.where(escaped > 0, escaped * largest, 0)
        for index in range(len(self.times)):
            state = self.levels[-1].state(index)
            masses = state.masses + np.exp(state.log_gibbs) if relative else state.masses
            size = terms(state)
            missing, diverges = state.beyond(size, masses)
            if relative and math.isinf(missing) and float(np.nansum(size)) < _NOTHING:
                # p is pi to the last digits: what is left of p - pi is rounding, and has no tails
                missing, diverges = _NOTHING, False
            width[index] += missing
            if diverges:
                value[index] = np.inf
        return value, np.where(np.isnan(width) | np.isinf(value), np.inf, width)

    def _log_ratio(self, state: DensityState) -> FloatArray:
        """log(p/pi) in the cells that hold more than what is noise or has escaped."""
        known = state.masses > max(state.noise, self.escaped, 1e-300)
        ratio = functionals.GibbsRatio.of(state.masses, state.log_gibbs, state.excess)
        return np.append(ratio.log()[known], 0.0)

    def relative_entropy(self) -> Curve:
        """KL(p_t | pi), nats."""
        value, width = self.functional(
            lambda s: functionals.relative_entropy(s.masses, s.log_gibbs, s.excess)
        )
        width = width + [float((s.masses * _unseen_rise(s) / 2).sum()) for s in self._finest]
        largest = np.array([np.abs(self._log_ratio(s)).max() for s in self._finest])
        curve = self._with_beyond(
            (value, width),
            lambda s: functionals.GibbsRatio.of(s.masses, s.log_gibbs, s.excess).entropy_terms(),
            largest,
            relative=True,
        )
        return self._infinite_at_start(curve, "finite_relative_entropy")

    def chi_square(self) -> Curve:
        """chi2(p_t | pi)."""

        def terms(state: DensityState) -> FloatArray:
            with np.errstate(divide="ignore", over="ignore"):
                return np.asarray(np.exp(2 * np.log(np.abs(state.excess)) - state.log_gibbs))

        value, width = self.functional(
            lambda s: functionals.chi_square(s.masses, s.log_gibbs, s.excess)
        )
        with np.errstate(over="ignore", invalid="ignore"):
            width = width + [
                float(np.nansum(terms(s) * np.expm1(_unseen_rise(s) / 2))) for s in self._finest
            ]
            largest = [np.abs(np.expm1(self._log_ratio(s))).max() for s in self._finest]
        curve = self._with_beyond((value, width), terms, 2 * np.array(largest), relative=True)
        return self._infinite_at_start(curve, "finite_chi_square")

    def _infinite_at_start(self, curve: Curve, question: str) -> Curve:
        """The curve, infinite at time 0 where that is proved: no box of cells can show it."""
        if self.start is None or self.times[0] > 0:
            return curve
        from lvebm_theory.certified import start  # sympy and ball arithmetic

        if getattr(start, question)(self.energy, self.start).finite is not False:
            return curve
        value, width = curve[0].copy(), curve[1].copy()
        value[0] = width[0] = np.inf
        return value, width

    @property
    def _finest(self) -> list[DensityState]:
        return [self.levels[-1].state(index) for index in range(len(self.times))]

    def fisher_information(self) -> Curve:
        """FI(p_t | pi) = int p |grad log(p/pi)|^2, from the densities alone."""

        def terms(state: DensityState) -> FloatArray:
            return functionals.fisher_terms(
                state.masses, state.log_gibbs, state.grid.centres, state.excess
            )

        curve = self.functional(lambda state: float(terms(state).sum()))
        largest = [
            np.divide(terms(s), s.masses, out=np.zeros_like(s.masses), where=s.masses > 0).max()
            for s in self._finest
        ]
        return self._with_beyond(curve, terms, np.array(largest), relative=True)

    def entropy(self) -> Curve:
        """Differential entropy -int p log p, nats."""
        return self.functional(lambda s: functionals.entropy(s.masses, s.grid.volumes))

    def expectation(self, f: Callable[..., npt.ArrayLike]) -> Curve:
        """E_{p_t} f for f(x_1, ..., x_d) on broadcastable coordinate arrays."""

        def values(state: DensityState) -> FloatArray:
            raw = np.asarray(f(*state.grid.coordinates()), dtype=float)
            return np.broadcast_to(raw, state.grid.shape)

        value, width = self.functional(
            lambda state: functionals.expectation(state.masses, values(state))
        )
        sizes = [functionals.expectation(s.masses, np.abs(values(s))) for s in self._finest]
        largest = np.array([2 * float(np.abs(values(s)).max()) for s in self._finest])
        return self._with_beyond(
            (value, width + _MASS_ROUNDING * np.array(sizes)),
            lambda state: state.masses * np.abs(values(state)),
            largest,
            relative=False,
        )

    def energy_mean(self) -> Curve:
        """E_{p_t} U."""
        return self.expectation(
            lambda *coordinates: self.energy.on_coordinates("potential", list(coordinates))
        )

    def w2_to_gibbs(self) -> Curve:
        """W2(p_t, pi) in one dimension, from quantile functions."""
        if self.grid.dim != 1:
            raise ArgumentError(f"w2_to_gibbs needs dimension 1, this path has {self.grid.dim}")
        from solvers.transport.one_dimensional import w2_grids

        def distance(state: DensityState) -> float:
            edges = state.grid.edges[0]
            return float(w2_grids(state.masses, edges, np.exp(state.log_gibbs), edges))

        return self.functional(distance, kept=IRREGULAR)

    def density(self, points: FloatArray, index: int = -1) -> FloatArray:
        """Piecewise constant density of the finest grid at points (n, d), at a time index."""
        return self.grid.density(self.masses[index], points)

    def marginal(self, axis: int) -> FloatArray:
        """Cell masses (T, n_axis) of the marginals along one axis."""
        return self.grid.marginal(self.masses, axis)

    def mass_error(self) -> FloatArray:
        """Estimated L1 error of ``masses`` from the resolution with half as many cells, (T,)."""
        fine = self.levels[-1]
        coarse = next(
            level for level in self.levels if 2 * level.grid.shape[0] == fine.grid.shape[0]
        )
        return np.array(
            [
                np.abs(fine.grid.coarsen_masses(f.masses) - c.masses).sum() / 3
                for f, c in zip(fine.snapshots, coarse.snapshots, strict=True)
            ]
        )


def _unseen_rise(state: DensityState) -> FloatArray:
    """Change of U from each cell to its neighbours where that is too steep for cell averages.

    The mean of U over a cell and the logarithm of the mean of exp(-U) then differ by up to half
    of it, and not yet by a power of the spacing.
    """
    density = state.log_gibbs - np.log(state.grid.volumes)
    rise = np.zeros(density.shape)
    for axis in range(density.ndim):
        jumps = np.abs(np.diff(density, axis=axis))
        before = np.insert(jumps, 0, 0.0, axis=axis)
        after = np.append(jumps, np.zeros_like(np.take(jumps, [0], axis=axis)), axis=axis)
        rise = np.maximum(rise, np.maximum(before, after))
    return np.where(rise > _STEEP_CELL, rise, 0.0)
