"""Eigenvalues of the discrete generator on a line, to relative accuracy.

These belong to the solver: they say how fast its own densities relax. The constant of a theorem
comes from the theory storey's spectral basis and never from here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse.linalg import LinearOperator, eigsh

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError
from lvebm_theory.protocols import Energy

from .box import bulk, find_box
from .extrapolation import extrapolate
from .generator import Generator, build_generator
from .grid import Grid
from .kinks import axis_kinks
from .mapping import AxisMap, tail_features

_FIRST = 256
_FINEST = 8192


def generator_spectrum(
    energy: Energy,
    count: int = 6,
    *,
    box: Sequence[tuple[float, float]] | None = None,
    relative_width: float = 1e-8,
) -> tuple[FloatArray, FloatArray]:
    """The lowest non-zero eigenvalues of -L and their numerical half-widths, arrays (count,).

    Extrapolated from four resolutions, refined until the first eigenvalue's half-width is below
    ``relative_width`` of it (or 8192 cells are reached).

    Raises
    ------
    ArgumentError
        Unless the dimension is one and 1 <= count <= 64.
    """
    if energy.dim != 1:
        raise ArgumentError(
            f"the discrete spectrum needs dimension 1, {energy.name} has {energy.dim}"
        )
    if not 1 <= count <= 64:
        raise ArgumentError(f"count must lie between 1 and 64, got {count}")
    region = list(box) if box is not None else find_box(energy)
    features = tail_features(region[0], bulk(energy, region)[0])
    line = AxisMap.through(region[0], features, axis_kinks(energy, region, 0), _FIRST // 8)
    known: dict[int, FloatArray] = {}
    cells = _FIRST
    while True:
        counts = [cells * k // 8 for k in (3, 4, 6, 8)]
        for n in counts:
            if n not in known:
                grid = Grid(nodes=(line.nodes(n),))
                known[n] = lowest_eigenvalues(build_generator(energy, grid), count)
        values, widths = extrapolate([known[n] for n in counts], counts)
        if widths[0] <= relative_width * values[0] or 2 * cells > _FINEST:
            return values, widths
        cells *= 2


def lowest_eigenvalues(generator: Generator, count: int) -> FloatArray:
    """The ``count`` lowest non-zero eigenvalues of -L of one grid on a line, increasing.

    Largest eigenvalues of the inverse on mean-zero masses. The inverse is two cumulative sums
    (flux from source, ratio from flux) without cancellation, so small eigenvalues keep their
    relative accuracy.
    """
    gibbs, root = generator.gibbs, generator.root_gibbs
    resistance = np.exp(-generator.log_conductance[0])
    middle = int(np.searchsorted(np.cumsum(gibbs), 0.5))

    def invert(vector: FloatArray) -> FloatArray:
        source = root * np.asarray(vector).ravel()
        source = source - gibbs * source.sum()
        from_left = -np.cumsum(source)[:-1]
        from_right = np.cumsum(source[::-1])[::-1][1:]
        flux = np.where(np.arange(flux_count) < middle, from_left, from_right)
        # -kappa (u_{i+1} - u_i) = sum of sources up to i
        ratio = np.concatenate(([0.0], np.cumsum(flux * resistance)))
        ratio -= ratio[middle]
        return root * (ratio - float(gibbs @ ratio))

    flux_count = gibbs.size - 1
    operator = LinearOperator((gibbs.size, gibbs.size), matvec=invert, dtype=float)
    first = root * np.linspace(-1.0, 1.0, gibbs.size) + root * np.sin(np.arange(gibbs.size))
    inverse = eigsh(operator, k=count, which="LA", v0=first, tol=0, return_eigenvectors=False)
    return np.asarray(np.sort(1.0 / inverse))
