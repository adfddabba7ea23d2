"""Sinkhorn divergences between densities on plane grids, in the logarithmic domain.

For masses a, b at the cells' centres and the cost c = |x - y|^2,

    OT_e(a, b) = min_plan <c, plan> + e KL(plan | a x b) = max_{f, g} a.f + b.g  (at its maximiser),
    S_e(a, b) = OT_e(a, b) - (OT_e(a, a) + OT_e(b, b)) / 2          (Feydy et al. 2019).

The kernel exp(-c / e) separates over the axes, and soft minima are taken as such, so that e may be
as small as one likes. As an estimate of the squared distance of the two laws on the grid points

    -e (H(a) + H(b)) / 2 <= S_e - W2^2 <= e min(H(a), H(b)),   H the entropy of the masses,

since 0 <= KL(plan | a x b) <= min(H(a), H(b)) for an optimal plan. For smooth densities it is far
closer: within e^2 / 16 times their Fisher information (Chizat et al. 2020).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lvebm_theory.errors import ArgumentError, SolverError

from .threads import run_all

FloatArray = npt.NDArray[np.float64]

_NOTHING = -1e250  # e log 0: below everything, and still a number when divided by e
_STEP = 4.0  # from one scale to the next
_SWEEPS_PER_SCALE = 2
_LINES = 32  # that the loops take at once
_MANY = 1 << 14  # points from which a second thread is worth waking
_TRUSTED = 5  # plain sweeps after which the rate of convergence is believed


@dataclass(frozen=True, kw_only=True)
class EntropicTransport:
    """OT_e and the potentials that attain it.

    Parameters
    ----------
    value : float
        OT_e(a, b), exact for potentials of this marginal error to second order.
    f, g : arrays (n_1, n_2)
    marginal_error : float
        sum |row sums of the plan - a| of the last sweep; the column sums are exact.
    sweeps : int
        Updates of both potentials, at all scales.
    """

    value: float
    f: FloatArray
    g: FloatArray
    marginal_error: float
    sweeps: int


@dataclass(frozen=True, kw_only=True)
class SinkhornDivergence:
    """S_e, with what it is made of.

    Parameters
    ----------
    value : float
        S_e(a, b) >= 0 up to the marginal errors; near W2^2, not W2.
    bias : tuple of two floats
        Lower and upper bound on S_e - W2^2 for the laws on the grid points, proved.
    between, of_a, of_b : EntropicTransport
    """

    value: float
    bias: tuple[float, float]
    between: EntropicTransport
    of_a: EntropicTransport
    of_b: EntropicTransport


class PlaneKernel:
    """Soft transforms of |x - y|^2 between all points of one plane grid, at one e."""

    def __init__(self, centres: Sequence[FloatArray], epsilon: float) -> None:
        """``centres`` are two increasing arrays of points."""
        from .sinkhorn_kernels import soft_transform, tiles

        self._transform = soft_transform
        self.centres, self.epsilon = list(centres), epsilon
        self._tiles = [tiles(c, c, epsilon) for c in centres]

    def soft_minimum(self, potential: FloatArray, log_mass: FloatArray) -> FloatArray:
        """-e log sum_y m(y) exp((g(y) - |x - y|^2) / e) for g, log m and the result (n_1, n_2)."""
        found = np.maximum(potential + self.epsilon * log_mass, _NOTHING)
        found = np.ascontiguousarray(found)
        for axis in (0, 1):
            found = self._along(found, axis)
        return -found

    def _along(self, h: FloatArray, axis: int) -> FloatArray:
        x, (starts, matrix) = self.centres[axis], self._tiles[axis]
        lines = h.shape[1]
        out = np.empty((lines, x.size))
        if h.size < _MANY:
            self._transform(h, 0, lines, x, x, starts, matrix, self.epsilon, out)
            return out
        run_all(
            self._transform,
            [
                (h, first, min(first + _LINES, lines), x, x, starts, matrix, self.epsilon, out)
                for first in range(0, lines, _LINES)
            ],
        )
        return out


def sinkhorn_divergence(
    masses_a: npt.ArrayLike,
    masses_b: npt.ArrayLike,
    edges: Sequence[npt.ArrayLike],
    epsilon: float,
    *,
    threshold: float = 1e-3,
    most_sweeps: int = 5000,
) -> SinkhornDivergence:
    """S_e between two densities on one rectangular grid of the plane.

    Parameters
    ----------
    masses_a, masses_b : arrays (n_1, n_2)
        Normalised here; zeros are allowed.
    edges : two increasing arrays (n_1 + 1,) and (n_2 + 1,)
    epsilon : float
        Of the cost |x - y|^2, not halved.
    threshold : float
        Sinkhorn's sweeps end when the L1 marginal error is at most this; the error of the value
        is of the order of its square.
    most_sweeps : int

    Raises
    ------
    ArgumentError
        For unusable laws, or epsilon or threshold not positive.
    SolverError
        When the sweeps did not end; carries the last potential.
    """
    axes = [np.asarray(e, dtype=float) for e in edges]
    laws = [_law(m, axes) for m in (masses_a, masses_b)]
    if not (0 < epsilon < np.inf and threshold > 0):
        raise ArgumentError(f"epsilon and threshold must be > 0, got {epsilon} and {threshold}")
    centres = [(e[1:] + e[:-1]) / 2 for e in axes]
    kernel = PlaneKernel(centres, epsilon)
    own = [_symmetric(law, kernel, threshold, most_sweeps) for law in laws]
    between = _between(laws, kernel, threshold, most_sweeps)
    entropies = [-float(law[law > 0] @ np.log(law[law > 0])) for law in laws]
    return SinkhornDivergence(
        value=between.value - (own[0].value + own[1].value) / 2,
        bias=(-epsilon * sum(entropies) / 2, epsilon * min(entropies)),
        between=between,
        of_a=own[0],
        of_b=own[1],
    )


def _law(masses: npt.ArrayLike, axes: Sequence[FloatArray]) -> FloatArray:
    law = np.asarray(masses, dtype=float)
    if law.ndim != 2 or tuple(e.size - 1 for e in axes) != law.shape:
        raise ArgumentError(
            f"masses (n_1, n_2) need edges (n_1 + 1,), (n_2 + 1,), got {law.shape} "
            f"and {[e.size for e in axes]}"
        )
    if any(np.any(np.diff(e) <= 0) or not np.all(np.isfinite(e)) for e in axes):
        raise ArgumentError("grid edges must be finite and increasing")
    if not (np.all(law >= 0) and 0 < law.sum() < np.inf):
        raise ArgumentError("masses must be >= 0, finite, and not all zero")
    return np.asarray(law / law.sum())


def _log(law: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore"):
        return np.log(law)


def _marginal_error(law: FloatArray, change: FloatArray) -> float:
    """sum |a exp(change / e) - a|, the row sums of a plan whose f is to change by so much."""
    return float((law * np.abs(np.expm1(np.minimum(change, 700.0)))).sum())


def _symmetric(
    law: FloatArray, kernel: PlaneKernel, threshold: float, most: int
) -> EntropicTransport:
    """OT_e(a, a), by averaged updates of its one potential."""
    log_law, e = _log(law), kernel.epsilon
    f, error = np.zeros_like(law), np.inf
    for sweep in range(1, most + 1):
        new = kernel.soft_minimum(f, log_law)
        error = _marginal_error(law, (f - new) / e)
        if error <= threshold:
            # f.a + new.a is the dual value of the pair (f, new), whose plan has mass one
            return EntropicTransport(
                value=float((law * (f + new)).sum()), f=new, g=f, marginal_error=error, sweeps=sweep
            )
        f = (f + new) / 2
    raise SolverError(f"Sinkhorn's sweeps reached a marginal error of {error} only", last_state=f)


def _between(
    laws: Sequence[FloatArray], kernel: PlaneKernel, threshold: float, most: int
) -> EntropicTransport:
    """OT_e(a, b) by alternating updates: coarse scales first, over-relaxed on the last.

    The marginal errors of plain sweeps fall by a factor q each; with the relaxation
    2 / (1 + sqrt(1 - q)) they fall by the relaxation less one (Thibault et al. 2021).
    """
    (a, b), logs, e = laws, [_log(law) for law in laws], kernel.epsilon
    f, sweeps = np.zeros_like(a), 0
    for scale in _scales(kernel):
        coarse = PlaneKernel(kernel.centres, scale)
        for _ in range(_SWEEPS_PER_SCALE):
            f = coarse.soft_minimum(coarse.soft_minimum(f, logs[0]), logs[1])
            sweeps += 1
    g = kernel.soft_minimum(f, logs[0])
    relaxation, plain, least, error = 1.0, [], np.inf, np.inf
    while sweeps < most:
        new = kernel.soft_minimum(g, logs[1])
        sweeps += 1
        error = _marginal_error(a, (f - new) / e)
        if error <= threshold:
            value = float((a * new).sum() + (b * g).sum())
            return EntropicTransport(value=value, f=new, g=g, marginal_error=error, sweeps=sweeps)
        if error > 10 * least:  # relaxed too much, too early
            relaxation, plain, least = 1.0, [], error
        least = min(least, error)
        if relaxation == 1.0:
            plain.append(error)
            if len(plain) > _TRUSTED and plain[-1] < plain[-2]:
                rate = min((plain[-1] / plain[-3]) ** 0.5, 0.9999)
                relaxation = 2 / (1 + np.sqrt(1 - rate))
        f = f + relaxation * (new - f)
        g = g + relaxation * (kernel.soft_minimum(f, logs[0]) - g)
    raise SolverError(f"Sinkhorn's sweeps reached a marginal error of {error} only", last_state=f)


def _scales(kernel: PlaneKernel) -> list[float]:
    """From a tenth of the squared diameter down to e, not included."""
    largest = sum(float(np.ptp(c)) ** 2 for c in kernel.centres) / 10
    count = max(int(np.ceil(np.log(largest / kernel.epsilon) / np.log(_STEP))), 0)
    return [kernel.epsilon * _STEP**k for k in range(count, 0, -1)]
