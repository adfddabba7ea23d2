"""The Fokker-Planck generator on cells, with the Gibbs state exactly stationary.

    d/dt p_i = sum_j kappa_ij (p_j / pi_j - p_i / pi_i)

kappa is symmetric and positive, so mass is conserved, pi is stationary whatever the rounding of
kappa, solutions stay non-negative and every convex entropy sum_i pi_i phi(p_i/pi_i) decays. The
cell masses pi_i and, along each axis, the conductances kappa come from exact cell averages
(``cell_integrals``): second order for resolved gradients and the upwind rate |U'|/h where the
gradient is not resolved. The wall of the box reflects.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError
from lvebm_theory.protocols import Energy

from .cell_integrals import LogIntegrals, gauss, line_integrals, segment_integrals
from .grid import Grid

Cells = TypeVar("Cells", FloatArray, npt.NDArray[np.bool_])

_POINTS = {2: 3, 3: 2}  # Gauss points per axis and cell; in one dimension cells are adaptive
_STEEP_POINTS = 6  # along an axis on which U varies much inside occupied cells
_STEEP = 1.5
_OCCUPIED_LOG_GIBBS = -35.0
_OCCUPIED_START = 1e-10


@dataclass(frozen=True, kw_only=True, eq=False)
class Generator:
    """Gibbs masses and conductances of the cells of a grid.

    Parameters
    ----------
    grid : Grid
    log_gibbs : array (*shape), logarithms of masses that sum to one
    log_normaliser : log of int exp(-U) over the box
    log_conductance : for each axis k an array with one entry less along k
    log_walls : for each axis k the conductances between the outermost cells and the lower and the
        upper wall, arrays with one entry along k; nothing flows through them here, but they say
        what would (``outflow``)
    """

    grid: Grid
    log_gibbs: FloatArray
    log_normaliser: float
    log_conductance: tuple[FloatArray, ...]
    log_walls: tuple[tuple[FloatArray, FloatArray], ...]

    @functools.cached_property
    def gibbs(self) -> FloatArray:
        """Cell masses of pi, shape ``grid.shape``."""
        return np.asarray(np.exp(self.log_gibbs))

    @functools.cached_property
    def root_gibbs(self) -> FloatArray:
        """Square roots of the cell masses of pi."""
        return np.asarray(np.exp(self.log_gibbs / 2))

    @functools.cached_property
    def couplings(self) -> tuple[FloatArray, ...]:
        """kappa_ij / sqrt(pi_i pi_j) along each axis: minus the off-diagonals of the symmetrised
        generator A = -S^{-1} L S, S = diag(sqrt(pi))."""
        return tuple(
            np.exp(c - (_lower(self.log_gibbs, k) + _upper(self.log_gibbs, k)) / 2)
            for k, c in enumerate(self.log_conductance)
        )

    @functools.cached_property
    def rates_up(self) -> tuple[FloatArray, ...]:
        """Jump rates kappa_ij / pi_i from each cell to its upper neighbour along each axis."""
        return tuple(
            np.exp(c - _lower(self.log_gibbs, k)) for k, c in enumerate(self.log_conductance)
        )

    @functools.cached_property
    def rates_down(self) -> tuple[FloatArray, ...]:
        """Jump rates kappa_ij / pi_j from each cell to its lower neighbour along each axis."""
        return tuple(
            np.exp(c - _upper(self.log_gibbs, k)) for k, c in enumerate(self.log_conductance)
        )

    @functools.cached_property
    def exit_rates(self) -> FloatArray:
        """Total rate out of each cell: the diagonal of A."""
        total = np.zeros(self.grid.shape)
        for k in range(self.grid.dim):
            _lower(total, k)[...] += self.rates_up[k]
            _upper(total, k)[...] += self.rates_down[k]
        return total

    def apply(self, masses: FloatArray) -> FloatArray:
        """d/dt p for masses of shape ``grid.shape``."""
        out = np.zeros(self.grid.shape)
        for k in range(self.grid.dim):
            flux = self.rates_up[k] * _lower(masses, k) - self.rates_down[k] * _upper(masses, k)
            _lower(out, k)[...] -= flux
            _upper(out, k)[...] += flux
        return out

    def isolated(self, idle: npt.NDArray[np.bool_]) -> Generator:
        """The same generator with the marked cells cut off from their neighbours."""
        log_conductance = tuple(
            np.where(_lower(idle, k) | _upper(idle, k), -np.inf, c)
            for k, c in enumerate(self.log_conductance)
        )
        return Generator(
            grid=self.grid,
            log_gibbs=self.log_gibbs,
            log_normaliser=self.log_normaliser,
            log_conductance=log_conductance,
            log_walls=self.log_walls,
        )


def build_generator(
    energy: Energy, grid: Grid, start_masses: FloatArray | None = None
) -> Generator:
    """Generator of the Langevin diffusion for an energy, restricted to a grid's box.

    Parameters
    ----------
    energy : Energy
    grid : Grid of the same dimension
    start_masses : array (*grid.shape), optional; where mass will start, so that steep places
        there are integrated with more points

    Raises
    ------
    ArgumentError
        When dimensions differ or the potential is not finite on the box.
    """
    if energy.dim != grid.dim:
        raise ArgumentError(f"energy of dimension {energy.dim} on a grid of dimension {grid.dim}")
    if grid.dim == 1:
        return _on_line(energy, grid)
    points = [_POINTS.get(grid.dim, 2)] * grid.dim
    generator, variation = _on_tensor(energy, grid, points)
    occupied = generator.log_gibbs > _OCCUPIED_LOG_GIBBS
    if start_masses is not None:
        occupied |= start_masses > _OCCUPIED_START
    steep = [bool((v[occupied] > _STEEP).any()) for v in variation]
    if any(steep):
        points = [_STEEP_POINTS if s else n for s, n in zip(steep, points, strict=True)]
        generator, _ = _on_tensor(energy, grid, points)
    return generator


def _on_tensor(
    energy: Energy, grid: Grid, points: Sequence[int]
) -> tuple[Generator, list[FloatArray]]:
    """The generator, and for each axis the variation of U inside every cell along it."""
    dim = grid.dim
    axes, weights = [], []
    for k in range(dim):
        abscissae, w, _, _ = gauss(points[k])
        x = grid.edges[k][:-1, None] + grid.widths[k][:, None] * abscissae
        axes.append(x.reshape([-1 if j == k else 1 for j in range(dim)]))
        weights.append(w)
    values = _finite(energy.on_coordinates("potential", axes), energy, grid)
    fine_shape = tuple(n * m for n, m in zip(grid.shape, points, strict=True))
    values = np.broadcast_to(values, fine_shape)
    # every axis integrates the masses too; their mean keeps every rate bounded by line rates
    log_masses = np.full(grid.shape, -np.inf)
    log_conductance, log_walls, variation = [], [], []
    for k in range(dim):
        lines = _Lines.of(values, grid, points, weights, k)
        log_masses = np.logaddexp(log_masses, lines.log_masses() - np.log(dim))
        log_conductance.append(lines.log_conductance())
        log_walls.append(lines.log_walls())
        variation.append(lines.variation())
    log_normaliser = float(logsumexp(log_masses))
    generator = Generator(
        grid=grid,
        log_gibbs=log_masses - log_normaliser,
        log_normaliser=log_normaliser,
        log_conductance=tuple(c - log_normaliser for c in log_conductance),
        log_walls=tuple((a - log_normaliser, b - log_normaliser) for a, b in log_walls),
    )
    return generator, variation


def _on_line(energy: Energy, grid: Grid) -> Generator:
    def potential(x: FloatArray) -> FloatArray:
        values = np.broadcast_to(energy.on_coordinates("potential", [x]), x.shape)
        return _finite(values, energy, grid)

    integrals = segment_integrals(potential, grid.edges[0])
    log_normaliser = float(logsumexp(integrals.mass))
    conductance = -np.logaddexp(integrals.right[:-1], integrals.left[1:]) - log_normaliser
    return Generator(
        grid=grid,
        log_gibbs=integrals.mass - log_normaliser,
        log_normaliser=log_normaliser,
        log_conductance=(conductance,),
        log_walls=((-integrals.left[:1] - log_normaliser, -integrals.right[-1:] - log_normaliser),),
    )


@dataclass(frozen=True, kw_only=True)
class _Lines:
    """Integrals along the Gauss lines of one axis, grouped by transverse cell."""

    axis: int
    shape: tuple[int, ...]  # of the transverse cells
    log_weights: FloatArray  # (transverse cells, lines per cell)
    rises: FloatArray  # (transverse cells, lines per cell, cells)
    integrals: LogIntegrals  # the same shape

    @classmethod
    def of(
        cls,
        values: FloatArray,
        grid: Grid,
        points: Sequence[int],
        weights: Sequence[FloatArray],
        axis: int,
    ) -> _Lines:
        """From U at the tensor of Gauss points."""
        dim = grid.dim
        others = [j for j in range(dim) if j != axis]
        split = values.reshape([v for j in range(dim) for v in (grid.shape[j], points[j])])
        order = [2 * j for j in others] + [2 * j + 1 for j in others] + [2 * axis, 2 * axis + 1]
        lines = np.ascontiguousarray(split.transpose(order))
        lines = lines.reshape(-1, grid.shape[axis], points[axis])
        integrals = line_integrals(lines, grid.widths[axis])
        shape = tuple(grid.shape[j] for j in others)
        per_cell = math.prod(points[j] for j in others)
        full = (math.prod(shape), per_cell, grid.shape[axis])
        widths = functools.reduce(np.multiply.outer, [grid.widths[j] for j in others])
        gauss_weights = functools.reduce(np.multiply.outer, [weights[j] for j in others])
        return cls(
            axis=axis,
            shape=shape,
            log_weights=np.log(np.multiply.outer(widths.ravel(), gauss_weights.ravel())),
            rises=np.abs(lines[..., -1] - lines[..., 0]).reshape(full),
            integrals=LogIntegrals(
                mass=integrals.mass.reshape(full),
                left=integrals.left.reshape(full),
                right=integrals.right.reshape(full),
            ),
        )

    def log_masses(self) -> FloatArray:
        return self._on_grid(self._summed(self.integrals.mass))

    def log_conductance(self) -> FloatArray:
        resistance = np.logaddexp(self.integrals.right[..., :-1], self.integrals.left[..., 1:])
        return self._on_grid(self._summed(-resistance))

    def log_walls(self) -> tuple[FloatArray, FloatArray]:
        left, right = self.integrals.left[..., :1], self.integrals.right[..., -1:]
        return self._on_grid(self._summed(-left)), self._on_grid(self._summed(-right))

    def variation(self) -> FloatArray:
        """Change of U inside every cell along the axis, the largest over its lines."""
        return self._on_grid(self.rises.max(axis=1))

    def _summed(self, logs: FloatArray) -> FloatArray:
        weighted = logs + self.log_weights[:, :, None]
        peak = weighted.max(axis=1)
        return np.asarray(peak + np.log(np.exp(weighted - peak[:, None]).sum(axis=1)))

    def _on_grid(self, array: FloatArray) -> FloatArray:
        full = array.reshape(*self.shape, array.shape[-1])
        return np.ascontiguousarray(np.moveaxis(full, -1, self.axis))


def _finite(values: FloatArray, energy: Energy, grid: Grid) -> FloatArray:
    if not np.all(np.isfinite(values)):
        raise ArgumentError(f"the potential of {energy.name} is not finite on the box {grid.box}")
    return values


def _lower(array: Cells, axis: int) -> Cells:
    """All cells but the last along an axis."""
    index = [slice(None)] * array.ndim
    index[axis] = slice(None, -1)
    return array[tuple(index)]


def _upper(array: Cells, axis: int) -> Cells:
    """All cells but the first along an axis."""
    index = [slice(None)] * array.ndim
    index[axis] = slice(1, None)
    return array[tuple(index)]
