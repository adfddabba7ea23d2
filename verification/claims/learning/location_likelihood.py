"""Location families E = U(x - theta_1, z - theta_2): exact constants, and L by quadrature.

U(u, v) = m (u^2 + v^2)/2 - c cos(u) cos(v), |c| < m. Z does not depend on theta, and L depends on
theta_1 alone: L(theta_1) = mean over data of log int e^{-U(x - theta_1, v)} dv - log Z. By
Brascamp-Lieb, -L'' lies in [m - |c|, m + |c|].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import logsumexp

from lvebm_theory.arrays import FloatArray
from lvebm_theory.constant import Constant
from lvebm_theory.errors import AssumptionError
from lvebm_theory.protocols import Energy, JointEnergy

_NODES = 801
_REACH = 12.0  # deviations: what is cut off is e^{-72}


def stiffness_and_coupling(claim: str, subject: Energy | JointEnergy) -> tuple[float, float]:
    """(m, |c|) of a location family.

    Raises
    ------
    AssumptionError
        For any other energy, and where |c| >= m.
    """
    if not isinstance(subject, JointEnergy) or subject.name != "location_family":
        raise AssumptionError(
            claim, ["the energy is a location family U(x - theta_1, z - theta_2)"]
        )
    m, c = subject.parameters["stiffness"], abs(subject.parameters["coupling"])
    if not c < m:
        raise AssumptionError(claim, ["U is strongly convex: |coupling| < stiffness"])
    return m, c


def location_constants(
    claim: str, subject: Energy | JointEnergy, learned: Sequence[str]
) -> dict[str, Constant]:
    """The constants of the theorems about learning, by name, for these learned parameters.

    d_theta_1 E = -(m u + c sin u cos v) has the z-derivative c sin u sin v; it is free of z for
    c = 0, and the conditional phase then plays no part in theta_1.
    """
    m, c = stiffness_and_coupling(claim, subject)
    hessian = "eigenvalues m + c cos(u +- v) of Hess U"
    alone = tuple(learned) == ("theta_1",)
    return {
        "pl": Constant.exact(m - c, "strong concavity of L, Brascamp-Lieb"),
        "likelihood_smoothness": Constant.exact(m + c, "-L'' <= sup d_uu U"),
        "conditional_lipschitz": Constant.exact(
            c if alone else m + c, "sup |c sin u sin v|" if alone else hessian
        ),
        "joint_lipschitz": Constant.exact(m + c, hessian),
        "conditional_log_sobolev": Constant.exact(m - c, "Bakry-Emery, d_vv U >= m - |c|"),
        "joint_log_sobolev": Constant.exact(m - c, "Bakry-Emery, Hess U >= m - |c|"),
        "conditional_convexity": Constant.exact(m - c, "d_vv U >= m - |c|"),
        "joint_convexity": Constant.exact(m - c, hessian),
        "conditional_smoothness": Constant.exact(m + c, "d_vv U <= m + |c|"),
        "joint_smoothness": Constant.exact(m + c, hessian),
    }


@dataclass(frozen=True)
class LocationLikelihood:
    """L as a function of theta_1, up to log Z, and its derivative.

    Parameters
    ----------
    stiffness, coupling : float
        m, c (with its sign).
    data : array (n,)
    """

    stiffness: float
    coupling: float
    data: FloatArray

    @cached_property
    def _nodes(self) -> FloatArray:
        reach = _REACH / np.sqrt(self.stiffness)
        return np.linspace(-reach, reach, _NODES)

    def _weights(self, theta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        u = self.data[:, None, None] - np.asarray(theta, dtype=float)[None, :, None]
        v = self._nodes
        m, c = self.stiffness, self.coupling
        log_weights = c * np.cos(u) * np.cos(v) - m * (u**2 + v**2) / 2
        return log_weights, m * u + c * np.sin(u) * np.cos(v), v

    def value(self, theta: npt.ArrayLike) -> FloatArray:
        """L(theta_1) up to log Z for theta_1 (k,); shape (k,)."""
        points = np.atleast_1d(np.asarray(theta, dtype=float))
        log_weights, _, v = self._weights(points)
        return np.asarray(logsumexp(log_weights, axis=2).mean(axis=0) + np.log(v[1] - v[0]))

    def slope(self, theta: npt.ArrayLike) -> FloatArray:
        """L'(theta_1) = mean over data of E_posterior d_u U, shape (k,)."""
        points = np.atleast_1d(np.asarray(theta, dtype=float))
        log_weights, force, _ = self._weights(points)
        weights = np.exp(log_weights - log_weights.max(axis=2, keepdims=True))
        return np.asarray(((weights * force).sum(axis=2) / weights.sum(axis=2)).mean(axis=0))

    @cached_property
    def best(self) -> float:
        """theta_1*, the root of L' (L is strictly concave)."""
        low, high = float(self.data.min()) - 4.0, float(self.data.max()) + 4.0
        return float(brentq(lambda t: float(self.slope(t)[0]), low, high, xtol=1e-14, rtol=1e-14))

    def gap(self, theta: npt.ArrayLike) -> FloatArray:
        """L* - L(theta_1), shape (k,); accurate to 1e-14 of L."""
        values = self.value(np.append(np.atleast_1d(theta), self.best))
        return np.asarray(np.maximum(values[-1] - values[:-1], 0.0))


def likelihood_of(subject: JointEnergy, data: Sequence[float]) -> LocationLikelihood:
    """L of a location family on these data."""
    return LocationLikelihood(
        subject.parameters["stiffness"],
        subject.parameters["coupling"],
        np.asarray(data, dtype=float),
    )
