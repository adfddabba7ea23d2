"""Evolution of cell masses by a generator, to near rounding in time.

Mass that starts far out in the tail is first carried in (by ``carrying`` on a line, by
uniformisation in the plane and in space), because there p/sqrt(pi) has a norm that swallows the
bulk. After that the excess v = (p - pi)/sqrt(pi) evolves under the symmetrised generator; it is
kept orthogonal to the Gibbs state and no step shrinks it by more than a fixed factor, so distances
to equilibrium keep their relative accuracy however small they get.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import SolverError

from .carrying import CarryingSteps
from .chebyshev import ChebyshevExponential
from .generator import Generator
from .sums import inner, norm
from .tridiagonal import TridiagonalExponential
from .uniformisation import Uniformisation

_LARGEST_NORM = 1e5  # of p/sqrt(pi) at which symmetrised steps still see the bulk
_SHRINK = 1e-3  # smallest norm ratio of one symmetrised step
_DUST = 1e-17  # mass of a cell below which nothing is known while mass is carried in
_STRAYS = 1e-12  # mass that may be left behind where p/sqrt(pi) is largest
_MOST_CARRYING = 3e10  # updates of cells
_STEP_TOLERANCE = 1e-12
_VANISHED = 1e-150
_REACH = 10.0  # of times that share their solves, last over first
_SEVERAL = 6
_SHARED_TOLERANCE = 1e-13
_IDLE_LOG_GIBBS = -65.0
_IDLE_START = 1e-25


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """Masses at one time, their excess over Gibbs, and the negative mass that was cleaned up.

    Tails with less mass than ``noise`` hold rounding only.
    """

    masses: FloatArray
    excess: FloatArray
    negative: float
    noise: float = 0.0


def evolve(
    generator: Generator, masses: FloatArray, times: Sequence[float]
) -> tuple[list[Snapshot], float]:
    """Snapshots of d/dt p = L p at increasing times >= 0, and the number of cell updates.

    Raises
    ------
    SolverError
        When a value stops being finite; carries the last finite masses.
    """
    stepper = _Stepper(generator, masses)
    snapshots: list[Snapshot] = []
    while len(snapshots) < len(times):
        together = stepper.together(times[len(snapshots) :])
        if not together:
            stepper.advance(times[len(snapshots)])
            together = [stepper.snapshot()]
        snapshots += together
    return snapshots, stepper.work


class _Stepper:
    def __init__(self, generator: Generator, masses: FloatArray) -> None:
        idle = _idle_cells(generator, masses)
        self._generator = generator.isolated(idle) if idle.any() else generator
        self._root = self._generator.root_gibbs
        self._gibbs = self._generator.gibbs
        self._start = masses
        self._masses, lost = masses, float(masses[idle].sum())
        if lost > 0:  # it would stay there for ever, and (p - pi)^2/pi be all of chi-square
            self._masses = np.where(idle, 0.0, masses) / (1.0 - lost)
        self._excess: FloatArray | None = None  # (p - pi)/sqrt(pi) once symmetrised
        self._time = 0.0
        self.work = 0.0
        self._step = math.inf
        self._noise = lost
        self._carrying: CarryingSteps | None = None
        self._line = (
            TridiagonalExponential(self._generator.rates_up[0], self._generator.rates_down[0])
            if generator.grid.dim == 1
            else None
        )
        self._chebyshev: ChebyshevExponential | None = None
        self._uniformisation: Uniformisation | None = None
        self._start_excess(leaving_strays=False)

    def snapshot(self) -> Snapshot:
        if self._time == 0:
            return Snapshot(masses=self._start, excess=self._start - self._gibbs, negative=0.0)
        if self._excess is None:
            masses = self._masses
            excess = masses - self._gibbs
        else:
            excess = self._root * self._excess
            masses = self._gibbs + excess
        negative = float(-masses[masses < 0].sum())
        if negative > 0:
            total = masses.sum()
            masses = np.maximum(masses, 0.0)
            surplus = masses.sum() / total
            masses = masses / surplus
            excess = np.maximum(excess, -self._gibbs) - masses * (surplus - 1)
        return Snapshot(masses=masses, excess=excess, negative=negative, noise=self._noise)

    def advance(self, time: float) -> None:
        while self._time < time:
            left = time - self._time
            if self._excess is None:
                self._start_excess(leaving_strays=True)
            if self._excess is None:
                done = self._carry(left)
            else:
                done = self._relax(self._excess, left)
            self._time = time if done >= left else self._time + done

    def together(self, times: Sequence[float]) -> list[Snapshot]:
        """Snapshots at the first of many times, as far as one set of solves on a line reaches.

        Empty where that would not pay: elsewhere than on a line, for few times, and before or
        beyond what a step of the excess may do.
        """
        if self._line is None or self._excess is None or times[0] <= self._time:
            return []
        spans = np.array([time - self._time for time in times])
        spans = spans[spans <= _REACH * spans[0]]
        before = norm(self._excess)
        if spans.size < _SEVERAL or before < _VANISHED:
            return []
        rows, solves = self._line.symmetric_at(self._excess, spans, _SHARED_TOLERANCE)
        self.work += 2.0 * solves * rows.shape[1]
        snapshots = []
        for row, time in zip(rows, times, strict=False):
            new = self._deflated(row)
            after = norm(new)
            self._check(after, self._gibbs + self._root * self._excess)
            if after < _SHRINK * before:
                break
            self._excess, self._time = new, time
            snapshots.append(self.snapshot())
        return snapshots

    def _start_excess(self, *, leaving_strays: bool) -> None:
        """Switch to the symmetrised excess once its norm allows.

        Strays, too little mass to matter where the norm is largest, are left behind.
        """
        with np.errstate(divide="ignore"):
            logs = 2 * np.log(self._masses) - self._generator.log_gibbs
        limit = 2 * math.log(_LARGEST_NORM)
        stray = logs > limit - math.log(logs.size)
        lost = float(self._masses[stray].sum())
        if lost > (_STRAYS if leaving_strays else 0.0):
            return
        masses = np.where(stray, 0.0, self._masses) / (1.0 - lost)
        self._noise += lost
        excess = np.zeros_like(masses)
        np.divide(masses - self._gibbs, self._root, out=excess, where=self._root > 0)
        self._excess = self._deflated(excess)
        self._step = math.inf

    def _deflated(self, excess: FloatArray) -> FloatArray:
        return excess - self._root * inner(self._root, excess)

    def _relax(self, excess: FloatArray, left: float) -> float:
        """One step of the excess, at most ``left`` long; returns its length."""
        before = norm(excess)
        if before < _VANISHED:
            self._excess = np.zeros_like(excess)
            return left
        step = min(left, self._step)
        if step < left:
            step = left / math.ceil(left / step)
        while True:
            new = self._deflated(self._symmetric(excess, step))
            after = norm(new)
            self._check(after, self._gibbs + self._root * excess)
            if after >= _SHRINK * before:
                break
            step /= max(2.0, math.log(max(after, 1e-12 * before) / before) / math.log(_SHRINK))
        # late decay is exponential: the next step may shrink the norm by half as many decades
        rate = math.log(before / after) / step if after < before else 0.0
        self._step = -0.7 * math.log(_SHRINK) / rate if rate > 0 else math.inf
        self._excess = new
        return step

    def _symmetric(self, excess: FloatArray, step: float) -> FloatArray:
        if self._line is not None:
            self.work += 16.0 * excess.size
            return self._line.symmetric(excess, step)
        if self._chebyshev is None:
            self._chebyshev = ChebyshevExponential(
                self._generator.exit_rates, self._generator.couplings
            )
        self.work += float(self._chebyshev.degree(step)) * excess.size
        return self._chebyshev(excess, step)

    def _carry(self, left: float) -> float:
        """One step of the masses while their norm in p/sqrt(pi) is too large."""
        if self._line is None:
            return self._carry_by_jumps(left)
        if self._carrying is None:
            self._carrying = CarryingSteps(self._line, _STEP_TOLERANCE)
            done = self._carry_at_once(left)
            if done:
                return left
        before = self._carrying.passes
        new, step, error = self._carrying.advance(self._masses, left)
        self._check(error, self._masses)
        self._noise += error
        self._masses = self._dusted(new)
        self.work += 16.0 * (self._carrying.passes - before) * new.size
        self._check_work()
        return step

    def _carry_at_once(self, left: float) -> bool:
        """All of the way in one step, where two halves agree that it can be trusted."""
        assert self._line is not None
        whole = self._line.masses(self._masses, left)
        halves = self._line.masses(self._line.masses(self._masses, left / 2), left / 2)
        self.work += 48.0 * whole.size
        error = float(np.abs(whole - halves).sum())
        if not error <= _STEP_TOLERANCE:
            return False
        self._noise += error
        self._masses = self._dusted(halves)
        return True

    def _carry_by_jumps(self, left: float) -> float:
        if self._uniformisation is None:
            self._uniformisation = Uniformisation(self._generator)
        step = min(left, 100.0 / self._uniformisation.rate)
        self.work += 2 * self._uniformisation.rate * step * self._masses.size
        self._check_work()
        new = self._uniformisation(self._masses, step)
        self._check(float(new.sum()), self._masses)
        self._masses = self._dusted(new)
        return step

    def _check_work(self) -> None:
        if self.work > _MOST_CARRYING:
            raise SolverError(
                "mass that starts where the potential is steep cannot be carried into the wells: "
                f"{self.work:.2g} updates of cells took it to time {self._time:.3g}",
                last_state=self._masses,
            )

    @staticmethod
    def _dusted(masses: FloatArray) -> FloatArray:
        kept = np.where(masses > _DUST, masses, 0.0)
        return np.asarray(kept / kept.sum())

    def _check(self, value: float, last_finite: FloatArray) -> None:
        if not math.isfinite(value):
            raise SolverError(
                f"the density stopped being finite after time {self._time:g}",
                last_state=last_finite,
            )


def _idle_cells(generator: Generator, masses: FloatArray) -> npt.NDArray[np.bool_]:
    """Cells that neither the start nor equilibrium ever fills (corners of a box)."""
    if generator.grid.dim == 1:
        return np.zeros(masses.shape, dtype=bool)
    occupied = masses > _IDLE_START
    level = min(_IDLE_LOG_GIBBS, float(generator.log_gibbs[occupied].min(initial=0.0)))
    return generator.log_gibbs < level
