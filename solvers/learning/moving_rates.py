"""Jump rates on a plane of nodes for a potential that moves, and their exact exponentials.

    rate(i -> i+1) = B(U_{i+1} - U_i)/h^2,     B(y) = y/(e^y - 1)

(Scharfetter and Gummel, IEEE Trans. Electron Devices 16 (1969) 64.) Detailed balance holds with
e^{-U}, so the Gibbs state of every theta is exactly stationary; rates stay below |grad U|/h + 1/h^2
and errors are even powers of h. Rates cost one value of U per node, where exact cell integrals
would dominate a run whose potential changes at every step.

Exponentials come by uniformisation: Poisson mixtures of powers of a stochastic matrix, in which
nothing is subtracted; so masses stay non-negative and sum to one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

from lvebm_theory.arrays import FloatArray

from .moving_kernels import fill_rates, generator_response, mixture

_IDLE_HEIGHT = 70.0  # of U above its least value, from where empty nodes take no part
_IDLE_MASS = 1e-28
_TAIL = 1e-17  # of Poisson weights that are left out


@dataclass(frozen=True, kw_only=True, eq=False)
class Rates:
    """Rates at one theta; ``rows`` True where every row is a line of its own.

    Attributes
    ----------
    potential : array (n, m)
    up_0, down_0 : arrays (n - 1, m), empty where rows are on their own
    up_1, down_1 : arrays (n, m - 1)
    leave : array (n, m), exit rates, ``most`` the largest
    """

    potential: FloatArray
    spacings: tuple[float, float]
    rows: bool
    up_0: FloatArray
    down_0: FloatArray
    up_1: FloatArray
    down_1: FloatArray
    leave: FloatArray
    most: float

    @classmethod
    def of(
        cls,
        potential: FloatArray,
        masses: FloatArray,
        spacings: tuple[float, float],
        *,
        rows: bool,
    ) -> Rates:
        """From U at the nodes; nodes far up that hold no mass are cut off."""
        n, m = potential.shape
        shape_0 = (0, m) if rows else (n - 1, m)
        up_0, down_0 = np.empty(shape_0), np.empty(shape_0)
        up_1, down_1 = np.empty((n, m - 1)), np.empty((n, m - 1))
        leave = np.empty((n, m))
        most = fill_rates(
            potential,
            masses,
            _inverse_squares(spacings),
            rows,
            _IDLE_HEIGHT,
            _IDLE_MASS,
            up_0,
            down_0,
            up_1,
            down_1,
            leave,
        )
        return cls(
            potential=potential,
            spacings=spacings,
            rows=rows,
            up_0=up_0,
            down_0=down_0,
            up_1=up_1,
            down_1=down_1,
            leave=leave,
            most=float(most),
        )

    def forward(self, masses: FloatArray, time: float) -> FloatArray:
        """Masses after a time, rows of unequal totals allowed."""
        return self._mixed(False, masses, time)

    def backward(self, values: FloatArray, time: float) -> FloatArray:
        """E[f(state after a time) | state now], for a function f on the nodes."""
        return self._mixed(True, values, time)

    def response(
        self, slope: FloatArray, masses: FloatArray, values: FloatArray, weights: FloatArray
    ) -> float:
        """d/d theta of sum_rows w <p, L f> where theta moves U by ``slope`` (n, m).

        ``weights`` w (n,) must be ones unless rows are on their own.
        """
        return float(
            generator_response(
                self.potential,
                slope,
                masses,
                values,
                _inverse_squares(self.spacings),
                self.rows,
                weights,
            )
        )

    def _mixed(self, transpose: bool, start: FloatArray, time: float) -> FloatArray:
        rate = max(self.most * 1.0001, 1e-300)
        weights, first = poisson_weights(rate * time)
        return np.asarray(
            mixture(
                transpose,
                np.ascontiguousarray(start),
                self.up_0,
                self.down_0,
                self.up_1,
                self.down_1,
                self.leave,
                1.0 / rate,
                weights,
                first,
            )
        )


def poisson_weights(mean: float) -> tuple[FloatArray, int]:
    """Weights e^{-mean} mean^k/k! from k = first on, all but 1e-17, normalised."""
    if mean <= 0:
        return np.ones(1), 0
    spread = 9 * math.sqrt(mean)
    first = max(0, math.floor(mean - spread - 4))
    k = np.arange(first, math.ceil(mean + spread + 40) + 1)
    weights = np.exp(k * math.log(mean) - mean - gammaln(k + 1.0))
    tail = np.cumsum(weights[::-1])[::-1]
    weights = weights[tail > _TAIL]
    return weights / weights.sum(), first


def _inverse_squares(spacings: tuple[float, float]) -> FloatArray:
    return np.array([1.0 / s**2 if s > 0 else 0.0 for s in spacings])
