"""Sinkhorn divergences between densities on plane grids, in the logarithmic domain.

For masses a, b at the cells' centres and the cost c = |x - y|^2,

    OT_e(a, b) = min_plan <c, plan> + e KL(plan | a x b) = max_{f, g} a.f + b.g  (at its maximiser),
    S_e(a, b) = OT_e(a, b) - (OT_e(a, a) + OT_e(b, b)) / 2          (Feydy et al. 2019).

The kernel exp(-c / e) separates over the axes, and soft minima are taken as such. Its width
sqrt(e / 2) must not fall far below the spacing h of the grid: from e < h^2 / 4 the plan stands on
single cells, and sweeps without end move it from one to the next. As an estimate of the squared
distance of the two laws on the grid points

    -e (H(a) + H(b)) / 2 <= S_e - W2^2 <= e min(H(a), H(b)),   H the entropy of the masses,

since 0 <= KL(plan | a x b) <= min(H(a), H(b)) for an optimal plan. For smooth densities it is far
closer: within e^2 / 16 times their Fisher information (Chizat et al. 2020). A law that is even on
cells of widths w is at most (sum of w^2 / 12)^(1/2) from its points.

What the sweeps leave: gains of the dual value are a.(f' - f) >= 0 per update, and in plain sweeps
fall by the square of the rate q of the marginal errors, so that the last over 1 - q^2 bounds the
rest as far as the last sweeps show q; eight times that is stated. In
averaged sweeps of one potential the error at least halves, since the plan's own operator is
positive, and (f' - f)^2 / e bounds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError, SolverError

from .interval import DistanceInterval
from .threads import run_all

_NOTHING = -1e250  # e log 0: below everything, and still a number when divided by e
_STEP = 4.0  # from one scale to the next
_SWEEPS_PER_SCALE = 2
_LINES = 32  # that the loops take at once
_MANY = 1 << 14  # points from which a second thread is worth waking
_TRUSTED = 5  # plain sweeps after which the rate of convergence is believed
_FINEST = 4.0  # least epsilon: spacing^2 over this
_HELD = 1e-6  # marginal mass from which a cell's spacing counts
_FEWEST = 4  # sweeps at the last scale, so that their rate is seen
_SAFETY = 8.0  # for what hides in slower modes still: of 150 drawn pairs the worst needs 7.1
_HIDDEN = 0.95  # rate of modes that may still hide behind faster ones
_JUDGED = 200  # sweeps after which it is asked whether those allowed will do
_ROUNDING = 1e-14  # of the largest terms of a soft minimum


@dataclass(frozen=True, kw_only=True)
class EntropicTransport:
    """OT_e and the potentials that attain it.

    Parameters
    ----------
    value : float
        OT_e(a, b) from below.
    error : float
        How far below, estimated from the last sweeps.
    f, g : arrays (n_1, n_2)
    marginal_error : float
        sum |row sums of the plan - a| of the last sweep; the column sums are exact.
    sweeps : int
        Updates of both potentials, at all scales.
    """

    value: float
    error: float
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
        S_e(a, b), at least 0 but for ``half_width``; near W2^2, not W2.
    half_width : float
        What unfinished sweeps and rounding leave.
    bias : tuple of two floats
        Lower and upper bound on S_e - W2^2 for the laws on the grid points, proved.
    within : float
        Sum of both laws' W2 between their points and even densities on their cells, at most.
    between, of_a, of_b : EntropicTransport
    """

    value: float
    half_width: float
    bias: tuple[float, float]
    within: float
    between: EntropicTransport
    of_a: EntropicTransport
    of_b: EntropicTransport

    @property
    def distance(self) -> DistanceInterval:
        """W2 (not squared) between the even densities on the cells, all of the above counted."""
        least = self.value - self.half_width - self.bias[1]
        most = self.value + self.half_width - self.bias[0]
        return DistanceInterval(
            lower=max(float(np.sqrt(max(least, 0.0))) - self.within, 0.0),
            upper=float(np.sqrt(max(most, 0.0))) + self.within,
            how="Sinkhorn divergence, its bias and the cells",
        )


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
        found = potential + self.epsilon * log_mass
        for axis in (0, 1):
            found = self._along(np.ascontiguousarray(np.maximum(found, _NOTHING)), axis)
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
        Of the cost |x - y|^2, not halved; at least a quarter of the squared spacing.
    threshold : float
        Sinkhorn's sweeps end when the L1 marginal error is at most this; the error of the value
        is of the order of its square.
    most_sweeps : int

    Raises
    ------
    ArgumentError
        For unusable laws, epsilon or threshold not positive, or epsilon below what the grid allows.
    SolverError
        When the sweeps did not end, or will not at their rate; carries the last potential.
    """
    axes = [np.asarray(e, dtype=float) for e in edges]
    laws = [_law(m, axes) for m in (masses_a, masses_b)]
    if not (0 < epsilon < np.inf and threshold > 0):
        raise ArgumentError(f"epsilon and threshold must be > 0, got {epsilon} and {threshold}")
    _check_spacing(axes, laws, epsilon)
    centres = [(e[1:] + e[:-1]) / 2 for e in axes]
    kernel = PlaneKernel(centres, epsilon)
    own = [_symmetric(law, kernel, threshold, most_sweeps) for law in laws]
    between = _between(laws, kernel, threshold, most_sweeps)
    entropies = [-float(law[law > 0] @ np.log(law[law > 0])) for law in laws]
    largest = sum(float(np.ptp(c)) ** 2 for c in centres) + 700 * epsilon
    return SinkhornDivergence(
        value=between.value - (own[0].value + own[1].value) / 2,
        half_width=between.error + (own[0].error + own[1].error) / 2 + _ROUNDING * largest,
        within=sum(_within(law, axes) for law in laws),
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


def _check_spacing(axes: Sequence[FloatArray], laws: Sequence[FloatArray], epsilon: float) -> None:
    """Raise ArgumentError where epsilon is below what the cells that hold mass allow."""
    spacing = 0.0
    for axis, edges in enumerate(axes):
        held = np.flatnonzero(np.maximum(*(law.sum(1 - axis) for law in laws)) > _HELD)
        centre = ((edges[1:] + edges[:-1]) / 2)[held[0] : held[-1] + 1]
        spacing = max(spacing, float(np.diff(centre).max(initial=0.0)))
    least = spacing**2 / _FINEST
    if epsilon < least:
        raise ArgumentError(
            f"epsilon must be at least {least:.4g} on cells {spacing:.4g} apart (their squared "
            f"spacing over {_FINEST:g}), got {epsilon:g}: take finer cells or a larger epsilon"
        )


def _within(law: FloatArray, axes: Sequence[FloatArray]) -> float:
    """W2 between the points and the even density on the cells, at most."""
    squares = [law.sum(1 - axis) @ np.diff(edges) ** 2 for axis, edges in enumerate(axes)]
    return float(np.sqrt(sum(squares) / 12))


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
                value=float((law * (f + new)).sum()),
                error=2 * float((law * (f - new) ** 2).sum()) / e,
                f=new,
                g=f,
                marginal_error=error,
                sweeps=sweep,
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
    best: list[float] = []
    while sweeps < most:
        new = kernel.soft_minimum(g, logs[1])
        sweeps += 1
        error = _marginal_error(a, (f - new) / e)
        best.append(min(error, best[-1] if best else np.inf))
        if error <= threshold and len(best) >= _FEWEST:
            gain = float((a * (new - f)).sum())
            return EntropicTransport(
                value=float((a * new).sum() + (b * g).sum()),
                error=_SAFETY * max(gain, 0.0) / (1 - _plain_rate(best, relaxation) ** 2),
                f=new,
                g=g,
                marginal_error=error,
                sweeps=sweeps,
            )
        if _hopeless(best, threshold, most - sweeps):
            break
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
    raise SolverError(
        f"Sinkhorn reached a marginal error of {error:.3g} in {sweeps} sweeps, and {most} will not "
        f"do for {threshold:g}: take a larger epsilon",
        last_state=f,
    )


def _plain_rate(best: Sequence[float], relaxation: float) -> float:
    """The rate q of plain sweeps, in [0.95, 0.9999], from the factor m of the last sweeps.

    (m + w - 1)^2 = m w^2 q at relaxation w, and m = w - 1 where w is too large for q.
    """
    window = min(len(best) - 1, 10 if relaxation > 1 else 1)
    seen = (best[-1] / best[-1 - window]) ** (1 / window) if window and best[-1] > 0 else 1.0
    factor = max(float(seen), relaxation - 1)
    rate = (factor + relaxation - 1) ** 2 / (factor * relaxation**2)
    return min(max(rate, _HIDDEN), 0.9999)


def _hopeless(best: Sequence[float], threshold: float, left: int) -> bool:
    """Whether the sweeps left will not reach the threshold at four times the pace of the last."""
    if len(best) <= _JUDGED or len(best) % _JUDGED:
        return False
    pace = np.log(best[-1 - _JUDGED] / best[-1]) / _JUDGED
    return bool(4 * pace * left < np.log(best[-1] / threshold))


def _scales(kernel: PlaneKernel) -> list[float]:
    """From a tenth of the squared diameter down to e, not included."""
    largest = sum(float(np.ptp(c)) ** 2 for c in kernel.centres) / 10
    count = max(int(np.ceil(np.log(largest / kernel.epsilon) / np.log(_STEP))), 0)
    return [kernel.epsilon * _STEP**k for k in range(count, 0, -1)]
