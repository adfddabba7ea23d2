"""KL of a sampled law from a known one, by histogram with the Miller-Madow correction.

With counts N_k, p_k = N_k / n and reference masses q_k, the plug-in KL_n = sum p_k log(p_k / q_k)
is too large by (K - 1) / (2 n) (Miller and Madow). Its law has two regimes,

    2 n KL_n -> chi-square_{K-1}                 at equality (Wilks),
    sqrt n (KL_n - KL) -> N(0, Var log(p / q))   away from it,

and one family that joins them: a non-central chi-square with K - 1 degrees of freedom, shifted to
the right mean 2 n KL + K - 1, of variance 2 (K - 1) + 4 n Var log(p / q). Intervals invert it, so
they hold at equality too. Binning loses information: KL of the cells <= KL (data processing).

What lies outside the grid, or where its masses underflow, is a cell of its own. Reference masses
that sum to less than one leave it the rest; where they sum to one it has at most ``UNSEEN``, and a
sample there counts as log(p / q) of that at least. How much more it is worth only the reference's
density can say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError
from solvers.transport.cell_counts import count_cells, merge_thin_cells

from ..measurement import Measurement
from .averages import check_alpha
from .partition import MANY, balanced_partition, box_widths
from .quadratic_form import QuadraticForm, invert

LogDensity = Callable[[FloatArray], npt.ArrayLike]
_UNDERFLOW = 1e-290  # a cell of less mass is as unknown as what lies outside
UNSEEN = 1e-10  # mass outside the cells, where their masses sum to one but for less than this
LEAST_EXPECTED = 10.0  # expected reference count of a cell, where chi-square limits are usual


def _plug_in(counts: FloatArray, reference: FloatArray) -> tuple[float, float, int]:
    """KL_n, Var of log(p / q) under p, and the number of occupied cells."""
    full = counts > 0
    if np.any(reference[full] <= 0):
        raise ArgumentError("a sample fell where the reference has no mass: KL is infinite")
    p = counts[full] / counts.sum()
    log_ratio = np.log(p / reference[full])
    entropy = float(p @ log_ratio)
    return entropy, float(p @ (log_ratio - entropy) ** 2), int(full.sum())


def _second_order(counts: FloatArray) -> tuple[float, float]:
    """n times the bias beyond Miller-Madow, and a bound on n times what is then left.

    A cell of expected count m has bias E N log N - m log m = 1/2 + 1/(12 m) + O(1/m^2) (over n).
    Below five counts the expansion fails; there 1/2 per occupied cell is off by at most 0.3, and
    cells that stayed empty are taken to be as many as those with fewer than five counts.
    """
    full = counts[counts > 0]
    few = full < 5
    many = full[~few]
    return float((1 / (12 * many)).sum()), float(0.6 * few.sum() + (1 / (6 * many**2)).sum())


def miller_madow(counts: npt.ArrayLike, reference: npt.ArrayLike) -> float:
    """sum_k p_k log(p_k / q_k) - (K - 1) / (2 n) with K the number of occupied cells; nats.

    A number for the cells' own KL, right to O(1 / n) where cells hold many counts; it may be below
    zero near equality. For an interval see ``relative_entropy_of_cells``.

    Parameters
    ----------
    counts : array of counts, any shape
    reference : array of the same shape
        q_k; normalised here.

    Raises
    ------
    ArgumentError
        When shapes differ, a count is negative, or a counted cell has no reference mass.
    """
    number = np.asarray(counts, dtype=float).reshape(-1)
    q = np.asarray(reference, dtype=float).reshape(-1)
    full = number > 0
    n = number.sum()
    if number.shape != q.shape or not n > 0 or number.min() < 0:
        raise ArgumentError("need counts and reference masses of one shape, and some count")
    held, mass = number[full], q[full]
    if mass.min() <= 0:
        raise ArgumentError("a sample fell where the reference has no mass: KL is infinite")
    plug_in = held @ np.log(held / mass) / n + np.log(q.sum() / n)
    return float(plug_in - (held.size - 1) / (2 * n))


def binned_relative_entropy(
    x: npt.ArrayLike, masses: npt.ArrayLike, edges: Sequence[FloatArray]
) -> float:
    """Miller-Madow estimate of KL(law of x || reference) in d = 1 or 2; nats.

    One pass over the samples. Cells that expect fewer than ten counts are merged, since there the
    correction fails (by up to a count each). Below KL by the binning loss, for cells of width h
    (h^2 / 24) E |grad log(rho / pi)|^2.

    Parameters
    ----------
    x : array (n, d)
    masses : array (n_1, ..., n_d)
        Reference cell masses; what they lack of one is outside.
    edges : d arrays (n_i + 1,)
    """
    points, mass = np.asarray(x, dtype=float), np.asarray(masses, dtype=float)
    counts = count_cells(points, edges)
    if counts.shape == mass.shape:
        counts = np.where(mass < _UNDERFLOW, 0, counts)
    far, rest = _outside(len(points), counts, mass)
    held, wanted = merge_thin_cells(counts, mass, least=LEAST_EXPECTED, many=MANY)
    if rest > 0:
        held, wanted = np.append(held, far), np.append(wanted * mass.sum(), rest)
    return miller_madow(held, wanted)


def _outside(number: int, counts: npt.ArrayLike, masses: FloatArray) -> tuple[int, float]:
    """Samples outside the cells, and what the reference has there at most.

    Zero for the latter where neither counts: no sample, and a mass that may be rounding.
    """
    total = float(masses.sum())
    if not -1e-6 < 1 - total < 1:
        raise ArgumentError(f"reference masses must sum to one or less, got {total}")
    far = number - int(np.sum(counts))
    known = 1 - total
    return far, known if known > UNSEEN else UNSEEN if far else 0.0


def relative_entropy_of_cells(
    counts: npt.ArrayLike, reference: npt.ArrayLike, alpha: float
) -> Measurement:
    """Interval for sum_k p_k log(p_k / q_k) from multinomial counts; nats.

    Rests on the limit laws above; the error of the combined law is O(1 / sqrt n) away from
    equality and O(1 / min_k n q_k) at it. ``value`` is the interval's midpoint.

    Parameters
    ----------
    counts : array of K counts, any shape
    reference : array of the same shape
        q_k, summing to one; n q_k >= 10 keeps the chi-square limit.
    """
    check_alpha(alpha)
    number = np.asarray(counts, dtype=float).reshape(-1)
    q = np.asarray(reference, dtype=float).reshape(-1)
    n = number.sum()
    if number.shape != q.shape or n < 2 or number.min() < 0 or abs(q.sum() - 1) > 1e-6:
        raise ArgumentError("need counts and reference masses of one shape, masses summing to one")
    q = q / q.sum()
    entropy, spread, occupied = _plug_in(number, q)
    freedom = int((q > 0).sum()) - 1
    if freedom == 0:
        return Measurement(value=0.0, confidence=1 - alpha)
    # away from equality only occupied cells bias the plug-in (Miller and Madow)
    beyond, remaining = _second_order(number)
    corrected = max(entropy - ((occupied - 1) / 2 + beyond) / n, 0.0)
    noise = np.sqrt(freedom / 2) / n
    variance = max(spread - freedom / n, 0.0)
    # Var log(p / q) = 2 KL (1 + o(1)) near equality; the data speak where they can
    slope = (variance + 2 * noise) / (corrected + noise)

    def law(kl: float) -> QuadraticForm:
        far = kl / (kl + 10 * noise)  # of K - 1 and occupied - 1, the one that applies
        degrees = freedom + far * (occupied - 1 - freedom)
        noncentral = n * slope * kl
        return QuadraticForm(
            weights=np.ones(1),
            multiplicities=np.array([max(degrees, 1.0)]),
            shift=2 * n * kl - noncentral + 2 * beyond,
            noncentral=noncentral,
        )

    lower, upper = invert(2 * n * entropy, law, corrected, 4 * noise, alpha)
    return Measurement(
        value=(lower + upper) / 2,
        statistical=(upper - lower) / 2,
        numerical=remaining / n if lower > 0 else 0.0,
        confidence=1 - alpha,
    )


def relative_entropy(
    x: npt.ArrayLike,
    masses: npt.ArrayLike,
    edges: Sequence[FloatArray],
    alpha: float,
    *,
    cells: int | None = None,
    log_density: LogDensity | None = None,
) -> Measurement:
    """Interval for KL(law of x || reference) in d = 1 or 2, binning loss included; nats.

    The lower end is that of the binned KL, which is below KL whatever the cells. The upper end
    adds the binning loss KL - KL_cells = (h^2 / 24) E |grad log(rho / pi)|^2 + O(h^4), estimated
    from cells of twice the width (which lose four times as much, so a third of the difference is
    the loss), doubled, plus its own statistical error; and, where samples lie outside the cells,
    what the reference's density there costs at most. Without that density the width is infinite.

    Parameters
    ----------
    x : array (n, d)
        Independent draws.
    masses : array (n_1, ..., n_d)
        Reference cell masses on a grid at least as fine as the histogram; what they lack of one is
        outside the grid.
    edges : d arrays (n_i + 1,)
    cells : int, optional
        Histogram cells along each axis; by default 128 in one dimension and 32 in two.
    log_density : callable, optional
        Logarithm of the reference's density at points (m, d) outside the cells, shape (m,).
    """
    check_alpha(alpha)
    mass = np.asarray(masses, dtype=float)
    points = np.asarray(x, dtype=float)
    wide = cells if cells is not None else {1: 128, 2: 32}.get(mass.ndim, 12)
    histogram = count_cells(points, edges).astype(float)
    if histogram.shape != mass.shape:
        raise ArgumentError(f"masses {mass.shape} need edges of as many cells: {histogram.shape}")
    n, results = len(points), []
    histogram = np.where(mass < _UNDERFLOW, 0.0, histogram)
    far, rest = _outside(n, histogram, mass)
    widths = box_widths(mass, histogram if far < n else mass, wide)
    for factor in (1, 2):
        sides = [factor * w for w in widths]
        boxes = factor**mass.ndim  # cells that are wide for want of counts double too
        labels = balanced_partition(
            mass, sides, LEAST_EXPECTED * boxes / n, histogram, many=MANY * boxes
        )
        number = int(labels.max()) + 1
        reference = np.bincount(labels.ravel(), weights=mass.ravel(), minlength=number)
        counts: FloatArray = np.bincount(
            labels.ravel(), weights=histogram.ravel(), minlength=number
        ).astype(np.float64)
        results.append((labels, counts, np.asarray(reference, dtype=float)))
    held, wanted = results[0][1], results[0][2]
    if rest > 0:
        held, wanted = np.append(held, far), np.append(wanted, rest)
    # a third of alpha pays for the loss, a tenth for what is outside, the rest for the binned value
    binned = relative_entropy_of_cells(held, wanted / wanted.sum(), alpha * (2 / 3 - 0.1))
    loss = _binning_loss(results, histogram, alpha / 3) if far < n else 0.0
    if far:
        beyond = points[~_known(points, edges, mass)] if log_density else points
        loss += _outer_loss(n, far, rest, _box(edges, widths), alpha / 10, log_density, beyond)
    if not np.isfinite(loss):
        return Measurement(
            value=binned.value,
            statistical=binned.statistical,
            numerical=np.inf,
            confidence=1 - alpha,
        )
    return Measurement(
        value=binned.value + loss / 2,
        statistical=binned.statistical,
        numerical=binned.numerical + loss / 2,
        confidence=1 - alpha,
    )


def _known(
    points: FloatArray, edges: Sequence[FloatArray], mass: FloatArray
) -> npt.NDArray[np.bool_]:
    """Which samples lie in a cell whose mass is a number."""
    inside = np.all([(e[0] <= c) & (c <= e[-1]) for c, e in zip(points.T, edges, strict=True)], 0)
    cells = tuple(
        np.clip(np.searchsorted(e, c, side="right") - 1, 0, e.size - 2)
        for c, e in zip(points.T, edges, strict=True)
    )
    return np.asarray(inside & (mass[cells] >= _UNDERFLOW))


def _box(edges: Sequence[FloatArray], widths: Sequence[float]) -> float:
    """Volume of a box of the histogram."""
    sides = [w * (e[-1] - e[0]) / (e.size - 1) for w, e in zip(widths, edges, strict=True)]
    return float(np.prod(sides))


def _outer_loss(
    n: int,
    far: int,
    rest: float,
    box: float,
    alpha: float,
    log_density: LogDensity | None,
    beyond: FloatArray,
) -> float:
    """What the part outside the cells may be worth beyond p log(p / q) of its cell.

    p E[log rho - log pi | outside], where p is known from ``far`` of n, -log pi is at most what it
    is at the farthest of those ``beyond``, and rho is taken to be no denser than if all of p lay in
    one box of the histogram.
    """
    if log_density is None:
        return float(np.inf)
    surprise = float(np.max(-np.asarray(log_density(beyond), dtype=float), initial=0.0))
    # Clopper and Pearson 1934
    low = float(betaincinv(far, n - far + 1, alpha / 2))
    high = float(betaincinv(far + 1, n - far, 1 - alpha / 2)) if far < n else 1.0
    concentrated = max(p * np.log(p / box) for p in (low, high))
    worth = high * surprise + concentrated
    return max(float(worth - far / n * np.log(far / n / rest)), 0.0)


def _binning_loss(
    results: Sequence[tuple[npt.NDArray[np.int64], FloatArray, FloatArray]],
    histogram: FloatArray,
    alpha: float,
) -> float:
    """Upper estimate of KL - KL_cells from two widths."""
    (fine, counts, q), (coarse, coarse_counts, coarse_q) = results
    n, q, coarse_q = counts.sum(), q / q.sum(), coarse_q / coarse_q.sum()
    values = [_plug_in(c, r) for c, r in ((counts, q), (coarse_counts, coarse_q))]
    corrected = [v - (k - 1) / (2 * n) for v, _, k in values]
    with np.errstate(divide="ignore"):
        per_fine = np.log(counts / n / q)
        per_coarse = np.log(coarse_counts / n / coarse_q)
    full = histogram > 0
    weight = histogram[full] / n
    difference = per_fine[fine[full]] - per_coarse[coarse[full]]
    spread = weight @ difference**2 - (weight @ difference) ** 2
    freedom = max(values[0][2] - values[1][2], 1)
    noise = np.sqrt(max(spread, 0.0) / n + freedom / (2 * n**2))
    quantile = np.sqrt(2 * np.log(1 / alpha))  # above the normal quantile for every alpha
    return float(max(2 * (corrected[0] - corrected[1]) / 3, 0.0) + quantile * noise / 3)
