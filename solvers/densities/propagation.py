"""One resolution, masses in, masses out, as accurate in time as is asked and no more.

    d/dt p = L p

The method follows from dimension, times and tolerance, and the result says which it was:

- on a line a rational (Caratheodory-Fejer) exponential for single times, one contour for many;
- on a plane alternating directions with Romberg extrapolation, or a Chebyshev expansion where
  that takes fewer passes (short times);
- in space a Chebyshev expansion, its tolerance divided by the norm of p/sqrt(pi);
- where p/sqrt(pi) has a norm that swallows the bulk, the carrying steps of ``semigroup``.

Mass and Gibbs state are kept by construction: what evolves is (p - pi)/sqrt(pi), orthogonal to
sqrt(pi). A result below -1e-12 anywhere is refused and computed more accurately.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError, SolverError

from .alternating import AlternatingDirections
from .chebyshev import ChebyshevExponential
from .generator import Generator
from .semigroup import evolve
from .sums import excess_from_masses, masses_from_excess, weighted_distance
from .sums import norm as norm_of
from .tridiagonal import TridiagonalExponential

_ROUNDING = 1e-14  # relative to the norm of p/sqrt(pi): what exact arithmetic would have removed
_NEGATIVE = 1e-12  # largest negative mass of a cell before the clean-up
_FINEST = 1e-12
_SMALLEST_ROOT = 1e-140
_MANY = 30.0  # products with A that carrying takes, over the root of its longest rate times time
_SEMIGROUP_ERROR = 1e-10  # of ``evolve``, in time
_PASS = 0.8  # time of a product with A over that of a step of alternating directions
_RATIO = 101.0  # of times that share a contour


@dataclass(frozen=True, kw_only=True)
class Propagation:
    """Masses at the asked times, and how they came about.

    Attributes
    ----------
    masses : array (T, *shape), non-negative, each of mass one
    method : "rational", "contour", "alternating", "chebyshev" or "carried", joined by "and" where
        intervals between times took different ones
    passes : linear solves with a line, steps of alternating directions, or products with A
    error : estimated L1 error in time at the worst of the times
    lowest : smallest mass before negative ones were set to zero
    negative : array (T,), mass that was set to zero
    """

    masses: FloatArray
    method: str
    passes: int
    error: float
    lowest: float
    negative: FloatArray


def propagate(
    generator: Generator,
    masses: FloatArray,
    times: float | Sequence[float] | FloatArray,
    *,
    tolerance: float = 1e-9,
) -> Propagation:
    """exp(t L) p at increasing times > 0.

    Parameters
    ----------
    generator : of any dimension from 1 to 3
    masses : array (*shape), non-negative with sum one
    times : one or more, increasing, > 0
    tolerance : L1 error in time, 1e-12 to 1

    Raises
    ------
    ArgumentError
        Unusable masses, times or tolerance.
    SolverError
        A value stopped being finite; carries the masses of the start.
    """
    moments = np.atleast_1d(np.asarray(times, dtype=float))
    masses = np.ascontiguousarray(masses, dtype=float)
    _check(generator, masses, moments, tolerance)
    gibbs, root = generator.gibbs.reshape(-1), generator.root_gibbs.reshape(-1)
    start = np.empty_like(masses)
    norm, total, least, stranded = excess_from_masses(
        masses.reshape(-1), gibbs, root, _SMALLEST_ROOT, start.reshape(-1)
    )
    if not (least >= 0 and abs(total - 1) < 1e-9):
        raise ArgumentError(f"masses must be non-negative and sum to one, got {total} in all")
    if stranded > 0:
        return _carried(generator, masses, moments)
    while True:
        found = _excess(generator, start, moments, tolerance, norm)
        if found is None:
            return _carried(generator, masses, moments)
        excess, method, passes, error = found
        out, negative = np.empty((moments.size, masses.size)), np.empty(moments.size)
        lowest = masses_from_excess(
            gibbs,
            root,
            np.ascontiguousarray(excess).reshape(out.shape),
            out,
            negative,
        )
        if not math.isfinite(lowest):
            raise SolverError("the density stopped being finite", last_state=masses)
        if lowest >= -_NEGATIVE or tolerance <= _FINEST:
            return Propagation(
                masses=out.reshape(moments.size, *masses.shape),
                method=method,
                passes=passes,
                error=error,
                lowest=lowest,
                negative=negative,
            )
        tolerance = max(tolerance / 30, _FINEST)


def _excess(
    generator: Generator, start: FloatArray, times: FloatArray, tolerance: float, norm: float
) -> tuple[FloatArray, str, int, float] | None:
    """(p - pi)/sqrt(pi) at all times, method, passes and estimated error; None if out of reach."""
    if norm == 0:
        return np.zeros((times.size, *start.shape)), "rational", 0, 0.0
    if start.ndim == 1:
        return _on_line(generator, start, times, tolerance, norm)
    solver = _Planes(generator)
    out = np.empty((times.size, *start.shape))
    now, vector = 0.0, start
    for index, time in enumerate(times.tolist()):
        share = tolerance * (0.5 * (time - now) / times[-1] + 0.5 / times.size)
        following = solver.advance(vector, time - now, float(share))
        if following is None:
            return None
        out[index] = vector = following
        now = time
    return out, " and ".join(solver.methods), solver.passes, solver.error


class _Planes:
    """Two or three dimensions: steps of one flow, with what they took and their errors' sum."""

    def __init__(self, generator: Generator) -> None:
        self._generator = generator
        self._alternating: AlternatingDirections | None = None
        self._chebyshev: ChebyshevExponential | None = None
        self.methods: list[str] = []
        self.passes, self.error = 0, 0.0

    def advance(self, vector: FloatArray, time: float, tolerance: float) -> FloatArray | None:
        """The excess after a time; None where no method reaches the tolerance."""
        if vector.ndim == 2:
            found = self._by_directions(vector, time, tolerance)
            if found is not None:
                return found
        norm = norm_of(vector)
        if norm * _ROUNDING > tolerance:
            return None
        if self._chebyshev is None:
            self._chebyshev = ChebyshevExponential(
                self._generator.exit_rates, self._generator.couplings
            )
        relative = tolerance / norm if norm > 0 else 1.0
        self._note("chebyshev")
        self.passes += self._chebyshev.degree(time, relative)
        self.error += tolerance
        return self._chebyshev(vector, time, relative)

    def _note(self, method: str) -> None:
        if method not in self.methods:
            self.methods.append(method)

    @staticmethod
    def _most(norm: float, alpha: float, tolerance: float) -> float:
        """Steps of alternating directions that take as long as a Chebyshev expansion would."""
        if norm * _ROUNDING > tolerance:
            return _MANY * math.sqrt(alpha)
        return _PASS * (20 + math.sqrt(2 * alpha * math.log(2 * max(norm / tolerance, 1.0))))

    def _by_directions(
        self, vector: FloatArray, time: float, tolerance: float
    ) -> FloatArray | None:
        root, rates = self._generator.root_gibbs, self._generator.exit_rates
        excess = root * vector
        size = float(np.abs(excess).sum())
        if size == 0:
            return vector
        rate = float(np.abs(self._generator.apply(excess)).sum()) / size
        if self._alternating is None:
            self._alternating = AlternatingDirections(
                self._generator.rates_up, self._generator.rates_down
            )
        found = self._alternating.extrapolated(
            vector,
            time,
            tolerance,
            lambda a, b: weighted_distance(root, a, b),
            least=math.sqrt(rate * time),
            most=self._most(norm_of(vector), time * float(rates.max()), tolerance),
        )
        self.passes += found.steps
        if found.value is not None:
            self._note("alternating")
            self.error += found.error
        return found.value


def _on_line(
    generator: Generator, start: FloatArray, times: FloatArray, tolerance: float, norm: float
) -> tuple[FloatArray, str, int, float] | None:
    if norm * _ROUNDING > tolerance:
        return None
    relative = max(min(tolerance / norm, 0.1), _ROUNDING)
    line = TridiagonalExponential(generator.rates_up[0], generator.rates_down[0])
    if times.size <= 2:
        values = np.empty((times.size, start.size))
        for row, time in zip(values, times.tolist(), strict=True):
            row[:] = line.symmetric(start, time)
        return values, "rational", 8 * times.size, 2 * _ROUNDING * norm
    out = np.empty((times.size, start.size))
    first, passes = 0, 0
    while first < times.size:
        # a decade or two per contour: beyond, its nodes grow with the logarithm of the ratio
        last = int(np.searchsorted(times, times[first] * _RATIO, side="right"))
        out[first:last], solves = line.symmetric_at(start, times[first:last], relative)
        passes += solves
        first = last
    return out, "contour", passes, relative * norm


def _carried(generator: Generator, masses: FloatArray, times: FloatArray) -> Propagation:
    snapshots, work = evolve(generator, masses, times.tolist())
    return Propagation(
        masses=np.stack([s.masses for s in snapshots]),
        method="carried",
        passes=round(work / masses.size),
        error=_SEMIGROUP_ERROR,
        lowest=-max(s.negative for s in snapshots),
        negative=np.array([s.negative for s in snapshots]),
    )


def _check(generator: Generator, masses: FloatArray, times: FloatArray, tolerance: float) -> None:
    if masses.shape != generator.grid.shape:
        raise ArgumentError(f"masses {masses.shape} on a grid of {generator.grid.shape} cells")
    if times.size == 0 or not np.all(np.isfinite(times)) or times[0] <= 0:
        raise ArgumentError(f"times must be finite and > 0, got {times.tolist()}")
    if np.any(np.diff(times) <= 0):
        raise ArgumentError(f"times must be increasing, got {times.tolist()}")
    if not _FINEST <= tolerance <= 1:
        raise ArgumentError(f"tolerance must lie between {_FINEST:g} and 1, got {tolerance}")
