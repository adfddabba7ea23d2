"""Independent flows on a line: smooth potentials by sinc collocation, one kink in closed form.

    psi = p e^{U/2},   d_t psi = psi'' - W psi,   W = |U'|^2/4 - U''/2

on equidistant nodes, with the spectral differentiation matrix of band-limited functions
(Stenger 1993, section 1.4) and a dense symmetric eigendecomposition. Accurate to about 1e-11
where psi decays at both ends; it shares no formula with the finite volumes.
"""

from __future__ import annotations

import numpy as np
from scipy.special import erfc

NODES = 321
LEVEL = 75.0  # of U above its minimum at the ends
NODES_PER_SD = 2.4  # band limit: what lies beyond is e^{-28} of a normal law
START_LEVEL = 50.0  # of U, up to which the start may reach: e^{U/2} multiplies rounding


def domain(energy) -> np.ndarray:
    """Equidistant nodes on the interval where U lies within LEVEL of its minimum."""
    scan = np.linspace(-40.0, 40.0, 4001)
    u = energy.potential(scan[:, None])
    inside = scan[u <= u.min() + LEVEL]
    return np.linspace(inside[0], inside[-1], NODES)


def start_fits(energy, start) -> bool:
    """Whether the expansion of the start in eigenfunctions survives double precision."""
    x = domain(energy)
    mean, sd = float(start.means[0, 0]), float(start.sds[0, 0])
    ends = np.linspace(mean - 7.5 * sd, mean + 7.5 * sd, 41)[:, None]
    rise = energy.potential(ends).max() - energy.potential(x[:, None]).min()
    return bool(rise <= START_LEVEL and sd >= NODES_PER_SD * (x[1] - x[0]))


class LineReference:
    """Relative entropy, chi-square and means of a flow on a line."""

    def __init__(self, energy, start) -> None:
        x = domain(energy)
        h = x[1] - x[0]
        points = x[:, None]
        u = energy.potential(points)
        u = u - u.min()
        potential = energy.gradient(points)[:, 0] ** 2 / 4 - energy.laplacian(points) / 2
        k = np.arange(NODES)[:, None] - np.arange(NODES)[None, :]
        with np.errstate(divide="ignore"):
            second = np.where(k == 0, np.pi**2 / 3, 2.0 * (-1.0) ** k / k.astype(float) ** 2)
        values, vectors = np.linalg.eigh(second / h**2 + np.diag(potential))
        self.x, self.h, self.eigenvalues = x, h, values
        self._vectors = vectors
        ground = np.exp(-u / 2)
        self._ground = ground / np.sqrt((ground**2).sum())
        # in units where psi = ground at p = pi: psi_i = (p/pi)_i ground_i
        log_gibbs = 2 * np.log(self._ground) - np.log(h)
        psi = np.exp(start.log_density(points) - log_gibbs) * self._ground
        self._coefficients = vectors.T @ psi

    def excess(self, time: float) -> np.ndarray:
        """p/pi - 1 at the nodes."""
        decay = np.exp(-(self.eigenvalues - self.eigenvalues[0]) * time) * self._coefficients
        return (self._vectors[:, 1:] @ decay[1:]) / self._ground

    def relative_entropy(self, time: float) -> float:
        """KL(p_t | pi)."""
        w = np.maximum(self.excess(time), -1 + 1e-15)
        terms = np.where(np.abs(w) < 1e-4, w**2 / 2 - w**3 / 6 + w**4 / 12, 0.0)
        terms = np.where(np.abs(w) < 1e-4, terms, (1 + w) * np.log1p(w) - w)
        return float(self._ground**2 @ terms)

    def chi_square(self, time: float) -> float:
        """chi2(p_t | pi)."""
        return float(self._ground**2 @ self.excess(time) ** 2)

    def mean(self, time: float) -> float:
        """E X_t."""
        return float(self._ground**2 @ (self.x * (1 + self.excess(time))))


class KinkReference:
    """The flow of U = a|x - b|, whose transition density is known (Caughey, Dienes 1961):

    p(t, x | y) = (4 pi t)^{-1/2} exp(-a(|x|-|y|)/2 - a^2 t/4 - (x-y)^2/(4t))
                  + (a/4) e^{-a|x|} erfc((|x| + |y| - a t) / (2 sqrt t)),   b = 0.
    """

    def __init__(self, slope: float, kink: float, start) -> None:
        self._slope = slope
        mean, sd = float(start.means[0, 0]) - kink, float(start.sds[0, 0])
        marks = np.unique(np.clip([mean - 8.5 * sd, 0.0, mean + 8.5 * sd], -60.0, 60.0))
        self._y, weights = self._panels(marks[0], marks[-1], 16)
        z = (self._y - mean) / sd
        self._start = weights * np.exp(-(z**2) / 2) / (sd * np.sqrt(2 * np.pi))
        reach = 36.0 / slope + 3 * abs(mean)
        self._x, self._weights = self._panels(-reach, reach, 100)

    @staticmethod
    def _panels(low: float, high: float, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Gauss points and weights on panels that never straddle 0."""
        edges = np.unique(np.append(np.linspace(low, high, count + 1), np.clip(0.0, low, high)))
        x, w = np.polynomial.legendre.leggauss(12)
        half = np.diff(edges) / 2
        return (
            ((edges[:-1] + half)[:, None] + half[:, None] * x).ravel(),
            (half[:, None] * w).ravel(),
        )

    def _terms(self, time: float) -> tuple[np.ndarray, np.ndarray]:
        x, y, a = self._x[:, None], self._y[None, :], self._slope
        moved = np.exp(
            -a * (np.abs(x) - np.abs(y)) / 2 - a**2 * time / 4 - (x - y) ** 2 / (4 * time)
        ) / np.sqrt(4 * np.pi * time)
        settled = a / 4 * np.exp(-a * np.abs(x))
        settled = settled * erfc((np.abs(x) + np.abs(y) - a * time) / (2 * np.sqrt(time)))
        density = (moved + settled) @ self._start
        return density, a / 2 * np.exp(-a * np.abs(self._x))

    def relative_entropy(self, time: float) -> float:
        """KL(p_t | pi)."""
        p, pi = self._terms(time)
        known = p > 0
        logs = np.zeros_like(p)
        logs[known] = np.log(p[known] / pi[known])
        return float(self._weights @ (p * logs - p + pi))

    def chi_square(self, time: float) -> float:
        """chi2(p_t | pi)."""
        p, pi = self._terms(time)
        return float(self._weights @ ((p - pi) ** 2 / pi))
