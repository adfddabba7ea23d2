r"""The one-step law of a scheme with Gaussian increments, known exactly on every target.

For Euler-Maruyama (ULA): given x, R = (x' - x + h grad U(x)) / sqrt(2h) ~ N(0, I). So for bounded
phi with E phi(N(0, 1)) = 0 and every bounded s

    E[ phi(R_i) s(x) ] = 0,      E[ phi(R_i) phi(R'_i) ] = 0 for two steps in a row.

It speaks of every start, not of stationarity: the bias of the step size, which is right, is
accepted, and a wrong one is refuted. Blind spots: what only shows in coordinates beyond the first
few, and memory longer than two steps.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..kernel import Kernel
from ..targets import ExactTarget

FloatArray = npt.NDArray[np.float64]

NAME = "one-step law"

_COORDINATES = 3
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(200)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


def _centred(name: str) -> tuple[str, float, float]:
    """A function of a standard normal with its mean and range, by Gauss-Hermite quadrature."""
    return name, float(_WEIGHTS @ _shape(name, _NODES)), 0.0


def _shape(name: str, r: FloatArray) -> FloatArray:
    if name == "location":
        return np.asarray(np.tanh(r) / 2)
    if name == "scale":
        return np.asarray(r * r / (r * r + 2) - 0.5)
    if name == "skewness":
        return np.asarray(r**3 / (1 + np.abs(r) ** 3) / 2 - np.tanh(r) / 2)
    if name == "kurtosis":
        return np.asarray(np.cos(2 * r) / 2)
    return np.asarray(np.clip(np.abs(r) - 2.5, 0, 1) - 0.5)


# smooth shapes only would do for quadrature; "tails" is piecewise linear, so its mean is exact below
_SHAPES = ("location", "scale", "skewness", "kurtosis")
MEANS = {name: _centred(name)[1] for name in _SHAPES}


def euler_maruyama(x: FloatArray, gradient: FloatArray, h: float) -> tuple[FloatArray, float]:
    """Mean and standard deviation of x' given x."""
    return x - h * gradient, float(np.sqrt(2 * h))


def names(dim: int) -> tuple[str, ...]:
    """In words, in the order of the payoffs."""
    found: list[str] = []
    for i in range(min(dim, _COORDINATES)):
        found += [f"{s} of the increment in x{i}" for s in _SHAPES]
        found += [f"{s} of the increment in x{i}, against x{i}" for s in _SHAPES[:2]]
        found += [f"{s} of the increment in x{i}, against the gradient" for s in _SHAPES[:2]]
        found += [f"{s} of the increments in x{i} of two steps in a row" for s in _SHAPES[:2]]
    if dim > 1:
        found += ["correlation of the increments in x0 and x1"]
    return tuple(found)


def payoffs(
    kernel: Kernel,
    target: ExactTarget,
    step_size: float,
    rng: np.random.Generator,
    count: int,
) -> FloatArray:
    """Products (count, m) in [-1, 1] of centred functions of the standardised increments."""
    centre, spread, _, _ = target.scale
    x = target.draw(rng, count)
    # a wider start as well: drift errors grow away from the mode
    x[::2] = centre + 2.0 * (x[::2] - centre)
    residuals = []
    starts = [x]
    for _ in range(2):
        mean, sd = euler_maruyama(x, target.energy.gradient(x), step_size)
        x = kernel.advance(x, target.energy, step_size, rng)
        residuals.append(np.clip(np.nan_to_num((x - mean) / sd, nan=50.0), -50, 50))
        starts.append(x)
    r, again = residuals
    gradient = target.energy.gradient(starts[0])
    columns: list[FloatArray] = []
    for i in range(min(target.dim, _COORDINATES)):
        f = {s: _shape(s, r[:, i]) - MEANS[s] for s in _SHAPES}
        second = {s: _shape(s, again[:, i]) - MEANS[s] for s in _SHAPES[:2]}
        place = np.tanh((starts[0][:, i] - centre[i]) / spread[i])
        force = np.tanh(gradient[:, i] * spread[i])
        columns += [f[s] for s in _SHAPES]
        columns += [f[s] * place for s in _SHAPES[:2]]
        columns += [f[s] * force for s in _SHAPES[:2]]
        columns += [f[s] * second[s] for s in _SHAPES[:2]]
    if target.dim > 1:
        columns.append(np.tanh(r[:, 0]) * np.tanh(r[:, 1]))
    return np.stack(columns, axis=1)
