"""Is theta still a model? Projection, the family's own conditions, and whether Z is finite."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import LvebmError

from . import projection_steps
from .problem import LearningProblem

_LOGGER = logging.getLogger(__name__)

NOT_FINITE = "theta stopped being finite"
OUTSIDE_FAMILY = "a parameter that must be > 0 is not"
NOT_POSITIVE_DEFINITE = "Z diverges: the Hessian of the joint energy is not positive definite"


class Judge:
    """Verdicts on theta in numpy; the compiled loops have the same ones built in.

    Parameters
    ----------
    problem : LearningProblem
    """

    def __init__(self, problem: LearningProblem) -> None:
        self._problem = problem
        projection = problem.settings.projection
        self._project = getattr(
            projection_steps, "nothing" if projection is None else projection.function
        )
        self._arrays = (
            (np.zeros(0, dtype=np.int64), np.zeros(0))
            if projection is None
            else projection.arrays(problem.names)
        )
        self._hessian = self._hessian_function()

    def _hessian_function(self) -> Any:
        """The constant Hessian of a quadratic energy as a function of theta; None if it varies."""
        formula = getattr(self._problem.energy, "formula", None)
        if formula is None:
            return None
        from .formula_loop import hessian_lines

        if hessian_lines(formula) is None:
            return None
        function, dim = formula.numpy_function("hessian"), formula.dim
        upper = np.triu_indices(dim)

        def hessian(theta: FloatArray) -> FloatArray:
            matrix = np.zeros((dim, dim))
            matrix[upper] = function(np.zeros(dim), theta)
            return matrix + np.triu(matrix, 1).T

        return hessian

    def settle(self, theta: FloatArray) -> str | None:
        """Project theta in place; the reason why it is no model, None if it may be one.

        Cheap: finite, positive where the family says so, and for quadratic energies a positive
        definite Hessian.
        """
        if not np.all(np.isfinite(theta)):
            return NOT_FINITE
        self._project(theta, *self._arrays)
        if np.any(theta[self._problem.positive] <= 0):
            return OUTSIDE_FAMILY
        if self._hessian is not None and not _positive_definite(self._hessian(theta)):
            return NOT_POSITIVE_DEFINITE
        return None

    def normaliser(self, theta: FloatArray) -> str | None:
        """The reason why Z is infinite at theta where that can be proved, else None.

        For formulas that are not quadratic: what the energy knows of itself, then the proofs of
        ``certify_normalisable``. Slow; for the start and for checkpoints.
        """
        problem = self._problem
        if self._hessian is not None or getattr(problem.energy, "formula", None) is None:
            return None
        from lvebm_theory.certified import certify_normalisable

        try:
            joint = problem.energy.with_parameters(
                **dict(zip(problem.names, map(float, theta), strict=True))
            ).joint()
        except LvebmError as refused:
            return str(refused)
        facts = joint.facts
        if facts.log_normaliser is not None or facts.dissipativity is not None:
            return None
        found = certify_normalisable(joint)
        if found.how == "refuted":
            return f"Z diverges: {found.reason}"
        if not found.proved:
            _LOGGER.info("%s: Z < infinity was not proved: %s", joint.name, found.reason)
        return None


def _positive_definite(matrix: FloatArray) -> bool:
    try:
        np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        return False
    return True
