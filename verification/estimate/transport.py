"""W2 between a sampled law and a known one on the line, with the sampling bias in the width.

Let f be the Kantorovich potential, f'(x) = 2 (x - T(x)) with T the optimal map from rho to pi. Then

    W2^2(rho_n, pi) = W2^2(rho, pi) + (rho_n - rho) f + R,   R >= 0 (duality),

with n E R -> int u (1 - u) Q_rho'(u) Q_pi'(u) du, Q the quantile functions. Away from equality the
middle term rules: Gaussian, of variance Var f(X) / n. At equality f = 0 and R = |Q_n - Q|^2 in
L^2(0, 1), a quadratic form in Gaussians with mean J_2 / n, J_2 = int F (1 - F) / p dx (Bobkov and
Ledoux 2019). One family joins the two and is inverted for the interval; so the bias of the plug-in
is part of the width.

The quadratic form has the eigenvalues of n E (Q_n - Q)(Q_n - Q)' for the exact order statistics of
n draws (through gamma spacings), so that extremes have their finite-n law also where J_2 diverges
slowly, as for Gaussian and exponential tails. Heavier tails do not fit: there extremes dominate.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError
from solvers.transport.one_dimensional import grid_pieces, w2_grids, w2_samples_grid

from ..measurement import Measurement
from .averages import check_alpha, sample
from .quadratic_form import QuadraticForm, invert

# mass outside the cells: taken to be within their span of an edge, refused beyond the largest
_LOST_MASS, _LARGEST_LOST = 1e-13, 1e-9


@dataclass(frozen=True, kw_only=True)
class ReferenceOnLine:
    """A known law on the line, with the law of n W2^2(pi_n, pi) for samples of one size.

    Parameters
    ----------
    masses, edges : arrays (k,) and (k + 1,)
        Piecewise constant density; the masses sum to one but for 1e-9.
    count : int
        n.
    eigenvalues : array
        Of n E (Q_n - Q)(Q_n - Q)', Q averaged over each 1 / n; in decreasing order.
    offset : float
        n W2^2 of the best n equal atoms; with the sum of the eigenvalues, n E W2^2(pi_n, pi).
    linear : bool
        False where the quantile function bends within two standard deviations of an order
        statistic: modes so separated that the mass of one is known worse than what lies between.
    inflation : float
        What the quadratic form's 95 and 99 % quantiles must be multiplied by to reach those of the
        drawn distances, where not linear; 1 otherwise.
    numerical : float
        How far the piecewise constant law may be from the smooth one, in W2.
    """

    masses: FloatArray
    edges: FloatArray
    count: int
    eigenvalues: FloatArray
    offset: float
    linear: bool
    inflation: float
    numerical: float

    @property
    def form(self) -> QuadraticForm:
        """The law of n W2^2(pi_n, pi)."""
        return QuadraticForm(
            weights=self.eigenvalues,
            multiplicities=np.ones(self.eigenvalues.size),
            shift=self.offset,
        )

    @classmethod
    def of(
        cls, masses: npt.ArrayLike, edges: npt.ArrayLike, count: int, *, draws: int = 2000
    ) -> ReferenceOnLine:
        """Build it by drawing order statistics ``draws`` times, with a fixed seed of its own.

        Raises
        ------
        ArgumentError
            For unusable cells, cells that hold less than the whole law, or fewer than 20 samples.
        """
        pieces = grid_pieces(masses, edges)
        outside = 1.0 - float(np.sum(masses))
        if outside > _LARGEST_LOST:
            raise ArgumentError(
                f"the cells hold {1.0 - outside:.9g} of the reference: W2 needs all of it but "
                f"{_LARGEST_LOST:g}, where the rest lies decides"
            )
        mass, at = pieces.mass, np.append(pieces.left, pieces.right[-1])
        if count < 20:
            raise ArgumentError(f"need at least 20 samples, got {count}")
        quantile = QuantileFunction(mass, at)
        ranks, weights = _ranks(mass, count)
        rng = np.random.Generator(np.random.Philox(count))
        gaps = np.diff(np.concatenate([[0], ranks, [count + 1]]))
        arrivals = np.cumsum(rng.standard_gamma(gaps, size=(draws, gaps.size)), axis=1)
        error = quantile(arrivals[:, :-1] / arrivals[:, -1:]) - quantile.averages(count)[ranks - 1]
        scaled = error * np.sqrt(weights * count)
        # second moments about the truth, not covariances: the bias of the extremes belongs to |E|^2
        values = np.linalg.eigvalsh(scaled.T @ scaled / draws)[::-1]
        quantised = w2_samples_grid(quantile.averages(count), mass, at)
        reference = cls(
            masses=mass,
            edges=at,
            count=count,
            eigenvalues=values[values > 1e-6 * values[0]],
            offset=count * quantised**2,
            linear=_is_linear(quantile, mass, count),
            inflation=1.0,
            numerical=_grid_error(mass, at)
            + float(np.sqrt(max(outside, _LOST_MASS)) * (at[-1] - at[0])),
        )
        if reference.linear:
            return reference
        drawn = (scaled**2).sum(1) + reference.offset
        ratios = [
            float(np.quantile(drawn, 1 - a)) / reference.form.upper_quantile(a)
            for a in (0.05, 0.01)
        ]
        return replace(reference, inflation=max(1.0, *ratios))


class QuantileFunction:
    """Quantile function of a piecewise constant density, by inverting the distribution function."""

    def __init__(self, mass: FloatArray, edges: FloatArray) -> None:
        levels = np.concatenate([[0.0], np.cumsum(mass)])
        levels /= levels[-1]
        # of a run of equal levels the ends are kept: the quantile jumps from one to the other
        same = np.concatenate([[False], levels[1:] == levels[:-1], [False]])
        keep = ~(same[:-1] & same[1:])
        self.levels, self.places = levels[keep], edges[keep]
        pieces = np.diff(self.levels) * (self.places[1:] + self.places[:-1]) / 2
        self.integrals = np.concatenate([[0.0], np.cumsum(pieces)])

    def __call__(self, u: FloatArray) -> FloatArray:
        return np.asarray(np.interp(u, self.levels, self.places))

    def averages(self, count: int) -> FloatArray:
        """Averages of Q over ((i - 1) / n, i / n), i = 1..n."""
        u = np.arange(count + 1) / count
        at = np.clip(np.searchsorted(self.levels, u, side="right") - 1, 0, self.places.size - 2)
        integral = self.integrals[at] + (u - self.levels[at]) * (self(u) + self.places[at]) / 2
        return np.asarray(np.diff(integral) * count)


def _ranks(mass: FloatArray, count: int) -> tuple[npt.NDArray[np.int64], FloatArray]:
    """Order statistics that stand for all: every extreme one, then geometrically spaced.

    Around a thinly filled place, where a quantile jumps between modes, the spacing goes well below
    the fluctuation n^{-1/2}. Returns ranks in 1..n and the share of (0, 1) that each represents.
    """
    ends = np.geomspace(1, count / 2, 100)
    around = np.geomspace(0.02, 20, 25) * np.sqrt(count)
    near = np.concatenate([[0.0], around, -around]) + _thin_levels(mass)[:, None] * count
    wanted = np.concatenate([ends, count + 1 - ends, near.ravel()])
    ranks = np.unique(np.clip(np.round(wanted), 1, count).astype(np.int64))
    borders = np.concatenate([[0.5], (ranks[1:] + ranks[:-1]) / 2, [count + 0.5]])
    return ranks, np.diff(borders) / count


def _thin_levels(mass: FloatArray) -> FloatArray:
    """Levels u at which the density has a local minimum; the twenty most central."""
    inner = mass[1:-1]
    low = np.flatnonzero((inner < mass[:-2]) & (inner <= mass[2:])) + 1
    levels = (np.cumsum(mass) - mass / 2)[low]
    return np.asarray(levels[np.argsort(np.abs(levels - 0.5))][:20])


def _is_linear(quantile: QuantileFunction, mass: FloatArray, count: int) -> bool:
    """Whether Q is roughly linear across +-2 standard deviations at every thin level."""
    u = _thin_levels(mass)
    u = u[u * (1 - u) > 10 / count]
    wide = 2 * np.sqrt(u * (1 - u) / count)
    slopes = [(quantile(u + w) - quantile(u - w)) / (2 * w) for w in (wide, wide / 20)]
    return bool(np.all(slopes[0] > slopes[1] / 3))


def _grid_error(mass: FloatArray, edges: FloatArray) -> float:
    """W2 between the grid law and its coarsening by two, over three (second order in the width)."""
    if mass.size < 4:
        return 0.0
    even = mass.size - mass.size % 2
    pairs = mass[:even].reshape(-1, 2).sum(1)
    coarse_edges = np.concatenate([edges[:even:2], edges[even:]])
    return w2_grids(mass, edges, np.append(pairs, mass[even:]), coarse_edges[: mass.size + 1]) / 3


def _potential_variance(x: FloatArray, target: FloatArray) -> float:
    """Var f(X) / 4 with f' = 2 (x - T(x)) along the sorted sample: <D, n Cov(E) D>."""
    shift = x - target
    potential = np.concatenate([[0.0], np.cumsum(np.diff(x) * (shift[1:] + shift[:-1]))])
    return float(potential.var() / 4)


def _spread(x: FloatArray, y: FloatArray) -> float:
    """Plug-in of int u (1 - u) Q_x' Q_y' du from sorted samples, by spacings of sqrt n ranks."""
    n = x.size
    step = max(int(np.sqrt(n)) // 2, 1)
    centre = np.arange(step, n - step)
    slopes = [(a[centre + step] - a[centre - step]) * n / (2 * step) for a in (x, y)]
    u = (centre + 0.5) / n
    return float(np.sum(u * (1 - u) * slopes[0] * slopes[1]) / n)


def wasserstein(x: npt.ArrayLike, reference: ReferenceOnLine, alpha: float) -> Measurement:
    """Interval for W2(law of x, reference) from independent draws x (n,); not squared.

    Rests on the limit laws in the module's docstring. Where the reference is not ``linear``, on
    the triangle inequality |W2(rho_n, pi) - W2(rho, pi)| <= W2(rho_n, rho) with the latter's
    quantile, which is conservative. ``value`` is the interval's midpoint.

    Parameters
    ----------
    reference : ReferenceOnLine
        Made for the same n.
    """
    check_alpha(alpha)
    points = np.sort(sample(x, 20))
    n = points.size
    if n != reference.count:
        raise ArgumentError(f"the reference was made for {reference.count} samples, not {n}")
    plug_in = w2_samples_grid(points, reference.masses, reference.edges)
    target = QuantileFunction(reference.masses, reference.edges).averages(n)
    values = reference.eigenvalues
    bias = float(values.sum())
    noise = float(np.sqrt(2 * values @ values)) / n
    excess = max(plug_in**2 - (bias + reference.offset) / n, 0.0)
    # <D, n Cov(E) D> / |D|^2 without its bias; where D drowns in noise, its largest possible value
    along = max(_potential_variance(points, target) - float(values @ values) / n, 0.0)
    along = (along + noise * values[0]) / (excess + noise)
    usual = max(_spread(target, target), 1e-300)
    ratio = _spread(points, target) / usual

    def law(w2: float) -> QuadraticForm:
        # near equality the sampled law is the reference, far from it the sample tells its spread
        far = n * w2**2 / (n * w2**2 + 10 * bias)
        return QuadraticForm(
            weights=values * (1 + far * (ratio - 1)),
            multiplicities=np.ones(values.size),
            shift=reference.offset,
            noncentral=n * w2**2,
            noncentral_weight=along,
        )

    if reference.linear:
        scale = 2 * np.sqrt(bias / n)
        lower, upper = invert(n * plug_in**2, law, np.sqrt(excess), scale, alpha)
    else:
        wider = max(1.0, _spread(points, points) / usual) * reference.inflation
        radius = np.sqrt(wider * reference.form.upper_quantile(alpha) / n)
        lower, upper = max(plug_in - float(radius), 0.0), plug_in + float(radius)
    return Measurement(
        value=(lower + upper) / 2,
        statistical=(upper - lower) / 2,
        numerical=reference.numerical,
        confidence=1 - alpha,
    )
