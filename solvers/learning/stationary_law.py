"""The stationary law of theta from a linear recursion or a linear stochastic equation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.linalg

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError, SolverError

_NEUTRAL = 1e-9  # distance of an eigenvalue from one (or zero) where nothing holds its direction


@dataclass(frozen=True, kw_only=True, eq=False)
class StationaryLaw:
    """The stationary law of theta.

    Attributes
    ----------
    names : the learned parameters
    theta : mean (p,) (of leading order unless ``exact``)
    neutral : (p, k), directions in which nothing holds theta, so that it wanders freely
    matrix : derivative of one update (or of the drift) in theta and the averages it is coupled to
    joint_covariance : stationary covariance of all these, neutral directions removed
    """

    names: tuple[str, ...]
    theta: FloatArray
    neutral: FloatArray
    exact: bool
    matrix: FloatArray
    joint_covariance: FloatArray

    @property
    def covariance(self) -> FloatArray:
        """Cov theta, (p, p).

        Raises
        ------
        SolverError
            When some direction is neutral: then only ``variance`` of contrasts exists.
        """
        if self.neutral.shape[1]:
            raise SolverError("theta has no stationary law: it wanders along neutral directions")
        p = len(self.names)
        return self.joint_covariance[:p, :p]

    def variance(self, contrast: npt.ArrayLike) -> float:
        """Var(c' theta) for a contrast c (p,) that no neutral direction moves."""
        c = np.asarray(contrast, dtype=float)
        p = len(self.names)
        if c.shape != (p,):
            raise ArgumentError(f"a contrast needs {p} values, got {c.shape}")
        if np.abs(c @ self.neutral).max(initial=0.0) > 1e-6 * np.abs(c).max():
            raise ArgumentError(f"the contrast {c.tolist()} is not held: theta wanders along it")
        return float(c @ self.joint_covariance[:p, :p] @ c)

    def autocovariance(self, lags: Sequence[int]) -> FloatArray:
        """Cov(theta_{k+l}, theta_k) at lags l >= 0 of a recursion, in updates; (L, p, p)."""
        p = len(self.names)
        return np.array(
            [
                (np.linalg.matrix_power(self.matrix, lag) @ self.joint_covariance)[:p, :p]
                for lag in lags
            ]
        )


def stationary(
    names: tuple[str, ...],
    theta: FloatArray,
    matrix: FloatArray,
    noise: FloatArray,
    *,
    discrete: bool,
    exact: bool,
) -> StationaryLaw:
    """C = J C J' + Q (discrete) or A C + C A' + Q = 0, without the neutral directions.

    Parameters
    ----------
    matrix, noise : arrays (N, N), J or A and Q; theta comes first

    Raises
    ------
    SolverError
        When an eigenvalue repels.
    """
    values, left, right = scipy.linalg.eig(matrix, left=True)
    margin = 1 - np.abs(values) if discrete else -values.real
    neutral = np.abs(values - 1 if discrete else values) < _NEUTRAL
    if np.any(margin[~neutral] <= 0):
        worst = values[~neutral][margin[~neutral].argmin()]
        raise SolverError(f"the fixed point repels: eigenvalue {worst:.6g}", last_state=theta)
    size, p = len(matrix), len(names)
    held, directions = np.eye(size), np.zeros((size, 0))
    if neutral.any():
        # the spectral projector of the other eigenvalues
        r, l = right[:, neutral], left[:, neutral]
        held = held - np.real(r @ np.linalg.solve(l.conj().T @ r, l.conj().T))
        directions = np.linalg.qr(np.real(r))[0]
    part, forced = held @ matrix, held @ noise @ held.T
    if discrete:
        covariance = scipy.linalg.solve_discrete_lyapunov(part, forced, method="direct")
    else:
        # neutral directions, which nothing drives any more, decay at rate one instead of zero
        covariance = scipy.linalg.solve_continuous_lyapunov(part - (np.eye(size) - held), -forced)
    return StationaryLaw(
        names=names,
        theta=theta,
        neutral=directions[:p],
        exact=exact,
        matrix=matrix,
        joint_covariance=np.asarray((covariance + covariance.T) / 2),
    )
