"""What depends on the number of an update: rates, gradient noise, batches."""

from __future__ import annotations

from dataclasses import dataclass

from lvebm_theory.arrays import FloatArray, IntArray

from .problem import LearningProblem


@dataclass(frozen=True)
class Series:
    """Of U updates: ``rates`` (U,), ``normals`` (U or 1, n_theta) and, one batch after the other,
    the numbers of the data that are ``chosen``; none where all take part."""

    rates: FloatArray
    normals: FloatArray
    chosen: IntArray

    @classmethod
    def of(cls, problem: LearningProblem, first: int, last: int) -> Series:
        """For updates first to last - 1."""
        return cls(
            problem.rates(first, last),
            problem.gradient_normals(first, last),
            problem.batches(first, last).reshape(-1),
        )

    @staticmethod
    def shared(problem: LearningProblem) -> bool:
        """Whether problems that differ in their noise alone have the same series."""
        return problem.settings.gradient_noise == 0.0 and problem.settings.batch is None

    def only(self, k: int) -> Series:
        """For the k-th of these updates."""
        row, batch = min(k, len(self.normals) - 1), len(self.chosen) // len(self.rates)
        return Series(
            self.rates[k : k + 1],
            self.normals[row : row + 1],
            self.chosen[k * batch : (k + 1) * batch],
        )
