"""An independent flow on a line: Chang-Cooper finite volumes on a wide box, Radau IIA in time.

    J = -(B(-dU) p_{i+1}/h_{i+1} - B(dU) p_i/h_i)/d,   B(z) = z/(e^z - 1),   dU between centres

on n and 2n cells of one graded mesh, extrapolated. The box is given by hand, far beyond everything
that the flow can reach; nothing here is shared with the library.
Source: Chang, Cooper, J. Comput. Phys. 6, 1970; Hairer, Wanner, Solving ODEs II, IV.5.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.linalg import solve_banded
from scipy.special import ndtr

NUMERATOR = np.polynomial.Polynomial([1, 2 / 5, 1 / 20])
DENOMINATOR = np.polynomial.Polynomial([1, -3 / 5, 3 / 20, -1 / 60])
PER_DECADE = 40  # steps
FIRST = 1e-5  # first step, relative to the first time


def reference(
    potential: Callable[[np.ndarray], np.ndarray],
    mean: float,
    sd: float,
    times: Sequence[float],
    box: tuple[float, float],
    cells: int = 1500,
    narrow: Sequence[tuple[float, float]] = (),
) -> tuple[np.ndarray, np.ndarray]:
    """E x, E x^2, KL, chi2 at the times, (T, 4), and what extrapolation changed, as an error.

    ``narrow``: (place, length) of what needs small cells besides the start.
    """
    places = [(mean, 4 * sd), *narrow]
    coarse, fine = (
        _flow(potential, mean, sd, times, _nodes(places, box, n)) for n in (cells, 2 * cells)
    )
    return fine + (fine - coarse) / 3, np.abs(fine - coarse) / 3


def _nodes(
    places: Sequence[tuple[float, float]], box: tuple[float, float], cells: int
) -> np.ndarray:
    """2n + 1 nodes, equal shares of them even and geometrically around each place."""
    low, high = box

    def share(x: np.ndarray) -> np.ndarray:
        total = (x - low) / (high - low)
        for place, length in places:
            a = np.arcsinh((np.append(box, x) - place) / length)
            total = total + (a[2:] - a[0]) / (a[1] - a[0])
        return total / (1 + len(places))

    wanted = np.linspace(0, 1, 2 * cells + 1)
    left, right = np.full(wanted.size, low), np.full(wanted.size, high)
    for _ in range(60):
        middle = (left + right) / 2
        above = share(middle) > wanted
        left, right = np.where(above, left, middle), np.where(above, middle, right)
    left[0], left[-1] = box
    return left


def _bernoulli(z: np.ndarray) -> np.ndarray:
    small = np.abs(z) < 1e-5
    safe = np.where(small, 1.0, z)
    with np.errstate(over="ignore"):
        return np.where(small, 1 - z / 2 + z**2 / 12, safe / np.expm1(safe))


def _flow(
    potential: Callable[[np.ndarray], np.ndarray],
    mean: float,
    sd: float,
    times: Sequence[float],
    x: np.ndarray,
) -> np.ndarray:
    cells = x.size // 2
    edges, centres = x[::2], x[1::2]
    widths, between, rise = np.diff(edges), np.diff(centres), np.diff(potential(centres))
    up = _bernoulli(rise) / (between * widths[:-1])
    down = _bernoulli(-rise) / (between * widths[1:])
    stay = np.zeros(cells)
    stay[:-1] -= up
    stay[1:] -= down
    z = (edges - mean) / sd
    masses = np.where(z[:-1] > 0, ndtr(-z[:-1]) - ndtr(-z[1:]), ndtr(z[1:]) - ndtr(z[:-1]))
    gauss, weights = np.polynomial.legendre.leggauss(8)
    inside = potential(edges[:-1, None] + widths[:, None] * (gauss + 1) / 2)
    least = inside.min(axis=1)
    log_gibbs = np.log(np.exp(least[:, None] - inside) @ weights / 2 * widths) - least
    log_gibbs -= np.logaddexp.reduce(log_gibbs)
    poles = DENOMINATOR.roots()
    residues = NUMERATOR(poles) / DENOMINATOR.deriv()(poles)

    def step(p: np.ndarray, length: float) -> np.ndarray:
        total = np.zeros(cells)
        for pole, residue in zip(poles, residues, strict=True):
            banded = np.zeros((3, cells), dtype=complex)
            banded[0, 1:], banded[1], banded[2, :-1] = (
                length * down,
                length * stay - pole,
                length * up,
            )
            total += np.real(residue * solve_banded((1, 1), banded, p))
        return total

    rows, now = [], 0.0
    for time in times:
        first = now if now > 0 else FIRST * times[0]
        count = int(np.ceil(PER_DECADE * np.log10(time / first)))
        marks = np.append(now, np.geomspace(first, time, count + 1)[(1 if now > 0 else 0) :])
        for length in np.diff(marks):
            masses = step(masses, length)
        now = time
        p = np.maximum(masses, 0.0)
        known = p > 1e-14 * p.max()
        logs = np.log(p[known]) - log_gibbs[known]
        rows.append(
            [
                p @ centres,
                p @ centres**2,
                p[known] @ logs,
                p[known] @ np.exp(np.minimum(logs, 700.0)) - 1,
            ]
        )
    return np.array(rows)
