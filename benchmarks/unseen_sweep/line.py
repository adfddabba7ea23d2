"""Truth on a line: a Markov chain on a smooth mesh, exact in time, and Hoeffding's kernel.

The mesh is x(xi) with xi equidistant. Neighbours exchange mass at the rates of Scharfetter and
Gummel, B(dU)/(h^2 x'_i x'_mid) with B(z) = z/(e^z - 1), which keep exp(-U) exactly and whose error
is a series in h^2. Q is a generator, so exp(tau Q) is a non-negative matrix for a small tau, and
squaring it leads to any time with every entry right to rounding: no stepping, no eigenvectors,
tails and all. Three meshes give a value by Richardson's extrapolation and a width.

Gap: with g = pi f', an eigenfunction fulfils g(x) = lambda int k(x, y) g(y)/pi(y) dy with
k(x, y) = F(min)(1 - F(max)) > 0 (Hoeffding 1940), so 1/lambda is the largest eigenvalue of a
positive symmetric kernel and comes out with its leading digits right even at 1e-200.

Nothing here is imported from the library.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter1d
from scipy.sparse.linalg import LinearOperator, eigsh
from scipy.special import hyp2f1, logsumexp

Array = npt.NDArray[np.float64]
Potential = Callable[[Array], Array]

CLIMB = 42.0  # what a path may climb above the lowest point that it passed: e^-42 = 6e-19
REACH = 8.5  # standard deviations of a start
LEVELS = (0.5, 0.75, 1.0)
FEWEST, MOST = 360, 1120
PER_UNIT = 9.0


@dataclass(frozen=True)
class Known:
    """A number and how far it may be off; ``infinite`` or ``open`` where it is no number."""

    value: float
    width: float
    state: str = "finite"


@dataclass(frozen=True)
class Start:
    """A normal law on the line."""

    mean: float
    sd: float

    def log_density(self, x: Array) -> Array:
        """log of the density."""
        return -0.5 * ((x - self.mean) / self.sd) ** 2 - math.log(self.sd * math.sqrt(2 * math.pi))


def box(potential: Potential, starts: Sequence[Start], climb: float = CLIMB) -> tuple[float, float]:
    """Where pi, the starts and every path from them live, walls as high as ``climb``."""
    ends = [-30.0, 30.0]
    for start in starts:
        ends += [start.mean - REACH * start.sd, start.mean + REACH * start.sd]
    low, high = min(ends), max(ends)
    centre, half = (low + high) / 2, (high - low) / 2
    # pi: widened until both ends lie ``climb`` above the lowest point seen
    for _ in range(80):
        scan = _scan(centre - half, centre + half)
        u = potential(scan)
        if min(u[0], u[-1]) >= u.min() + climb + 8:
            break
        half *= 1.6
    inside = scan[u <= u.min() + climb]
    left, right = float(inside[0]), float(inside[-1])
    for start in starts:
        a, b = start.mean - REACH * start.sd, start.mean + REACH * start.sd
        left = min(left, a, -_walk(-scan[::-1], u[::-1], -b, -a, climb))
        right = max(right, b, _walk(scan, u, a, b, climb))
    return left, right


def _walk(x: Array, u: Array, a: float, b: float, climb: float) -> float:
    """How far to the right a path from [a, b] comes."""
    ahead = x >= a
    lowest = np.minimum.accumulate(u[ahead])
    stuck = (u[ahead] >= lowest + climb) & (x[ahead] > b)
    return float(x[ahead][np.argmax(stuck)] if stuck.any() else x[-1])


def _scan(low: float, high: float) -> Array:
    """Fine near 0, where the drawn energies have their features, and coarse far from it."""
    grown = np.arcsinh(np.array([low, high]))
    return np.unique(
        np.concatenate([np.sinh(np.linspace(*grown, 60_001)), np.linspace(low, high, 60_001)])
    )


def _climb(x: Array, u: Array, start: float) -> Array:
    """How far U at x lies above the lowest point on the way from the start."""
    at = int(np.clip(np.searchsorted(x, start), 0, len(x) - 1))
    right = np.minimum.accumulate(u[at:])
    left = np.minimum.accumulate(u[: at + 1][::-1])[::-1]
    return u - np.concatenate([left[:-1], right])


class Mesh:
    """x(xi) for xi in [0, 1] with about ``per_unit`` cells per unit of ``wanted``, integrated.

    Smoothing moves what is dense, by more than a narrow start is wide: cells for the starts are
    therefore put in afterwards, by a second map that is smooth of itself.
    """

    def __init__(self, x: Array, wanted: Array, starts: Sequence[Start] = ()) -> None:
        grown = np.concatenate([[0.0], np.cumsum((wanted[1:] + wanted[:-1]) / 2 * np.diff(x))])
        at = np.linspace(0, 1, 8001)
        log_step = -np.log(np.interp(np.interp(at * grown[-1], grown, x), x, wanted))
        smooth = gaussian_filter1d(log_step, 80, mode="nearest")
        step = CubicSpline(at, np.exp(smooth))
        total = step.antiderivative()
        self._low, self._scale = x[0], (x[-1] - x[0]) / float(total(1.0))
        self._total, self._step, self._starts = total, step, starts
        self._plain = PER_UNIT * float(grown[-1])
        near = [s.mean + s.sd * 4 * np.sinh(np.linspace(-8, 8, 641)) for s in starts]
        inside = [np.interp(np.clip(n, x[0], x[-1]), self._placed(at), at) for n in near]
        self._table = np.unique(np.concatenate([at, *inside]))
        self._counts = self._grown(self._table)
        self._all = float(self._counts[-1] - self._counts[0])
        self.size = int(np.clip(self._all, FEWEST, MOST)) // 8 * 8

    def _placed(self, at: Array) -> Array:
        return np.asarray(self._low + self._scale * self._total(at))

    def _dense(self, at: Array) -> Array:
        """Cells per unit of the first map's argument."""
        x, slope = self._placed(at), self._scale * self._step(at)
        cells = np.full_like(at, self._plain)
        for start in self._starts:
            z = (x - start.mean) / (4 * start.sd)
            cells += 0.7 * PER_UNIT / start.sd * (1 + z**2) ** -0.75 * slope
        return cells

    def _grown(self, at: Array) -> Array:
        """Integral of ``_dense``."""
        x, cells = self._placed(at), self._plain * at
        for start in self._starts:
            z = (x - start.mean) / (4 * start.sd)
            cells = cells + 2.8 * PER_UNIT * z * hyp2f1(0.5, 0.75, 1.5, -(z**2))
        return np.asarray(cells)

    def _inner(self, xi: Array) -> Array:
        """Argument of the first map, by Newton's method between two lines of the table."""
        wanted = self._counts[0] + xi * self._all
        place = np.clip(np.searchsorted(self._counts, wanted), 1, len(self._table) - 1)
        low, high = self._table[place - 1], self._table[place]
        at = np.interp(wanted, self._counts, self._table)
        for _ in range(6):
            at = np.clip(at - (self._grown(at) - wanted) / self._dense(at), low, high)
        return at

    def x(self, xi: Array) -> Array:
        """Positions."""
        return self._placed(self._inner(xi))

    def slope(self, xi: Array) -> Array:
        """dx/dxi."""
        at = self._inner(xi)
        return np.asarray(self._scale * self._step(at) * self._all / self._dense(at))


def line_mesh(potential: Potential, starts: Sequence[Start], ends: tuple[float, float]) -> Mesh:
    """Dense where the potential turns or falls, and where a start lies."""
    x = _scan(*ends)
    u = potential(x)
    slope = np.gradient(u, x)
    curvature = np.abs(np.gradient(slope, x))
    climb = u - u.min()
    for start in starts:
        climb = np.minimum(climb, _climb(x, u, start.mean))
    passed = 1 + climb / 50 + (u - u.min()) / 400
    wanted = (np.sqrt(curvature) + 0.35 * np.abs(slope)) / passed
    wanted += 8 / (ends[1] - ends[0]) + 0.5 / (1 + np.abs(x))
    return Mesh(x, wanted, starts)


def bernoulli(z: Array) -> Array:
    """z/(e^z - 1)."""
    z = np.clip(z, -700, 700)
    near = np.abs(z) < 1e-5
    safe = np.where(near, 1.0, z)
    return np.where(near, 1 - z / 2 + z**2 / 12, safe / np.expm1(safe))


class _Level:
    """The chain on one mesh."""

    def __init__(self, potential: Potential, mesh: Mesh, cells: int) -> None:
        h = 1 / cells
        xi = (np.arange(cells) + 0.5) * h
        self.x, slope = mesh.x(xi), mesh.slope(xi)
        between = mesh.slope(np.arange(1, cells) * h)
        u = potential(self.x)
        rise = np.diff(u)
        up = bernoulli(rise) / (h**2 * slope[:-1] * between)
        down = bernoulli(-rise) / (h**2 * slope[1:] * between)
        out = np.concatenate([up, [0.0]]) + np.concatenate([[0.0], down])
        self._generator = sparse.diags_array([down, -out, up], offsets=[-1, 0, 1]).tocsr()
        self._fastest = float(out.max())
        self.volume = slope * h
        self.log_gibbs = -u + np.log(self.volume)
        self.log_gibbs -= logsumexp(self.log_gibbs)

    def propagators(self, first: float, doublings: Sequence[int]) -> list[Array]:
        """exp(2^k first Q), rows sum to one."""
        halvings = max(0, math.ceil(math.log2(self._fastest * first / 0.5)))
        tau = first / 2**halvings
        n = len(self.x)
        shift = self._fastest * tau
        step = (self._generator * tau + sparse.eye_array(n) * shift).tocsr()
        power = np.eye(n)
        for k in range(18, 0, -1):
            power = np.eye(n) + (step @ power) / k
        power *= math.exp(-shift)
        found = []
        for k in range(-halvings, max(doublings) + 1):
            power /= power.sum(axis=1, keepdims=True)
            if k in doublings:
                found.append(power)
            power = power @ power
        return found

    def masses(self, start: Start) -> Array:
        """Cell masses of a start."""
        with np.errstate(under="ignore"):
            mass = np.exp(start.log_density(self.x)) * self.volume
        return mass

    def functionals(self, mass: Array) -> dict[str, float]:
        """E x, E x^2, KL, log(1 + chi2); shares of the ends; the last may be open."""
        with np.errstate(divide="ignore", over="ignore", invalid="ignore", under="ignore"):
            log_mass = np.log(mass)
            excess = log_mass - self.log_gibbs
            w = np.expm1(np.minimum(excess, 600))
            small = np.abs(w) < 1e-3
            gentle = w**2 / 2 - w**3 / 6 + w**4 / 12 - w**5 / 20
            relative = np.where(small, gentle * np.exp(self.log_gibbs), 0.0)
            ratio = np.where(
                mass > 0, mass * excess - mass + np.exp(self.log_gibbs), np.exp(self.log_gibbs)
            )
            relative = np.where(small, relative, ratio)
            log_square = np.where(
                excess > 30, 2 * log_mass - self.log_gibbs, 2 * np.log(np.abs(w)) + self.log_gibbs
            )
        log_square = np.where(np.isnan(log_square), -np.inf, log_square)
        top = logsumexp(log_square)
        edge = len(mass) // 40
        with np.errstate(under="ignore"):
            share = np.exp(log_square - top)
        # where mass has run into the smallest number of the format nothing is known
        starved = (mass < 1e-290) & (self.log_gibbs < -600)
        beside = np.convolve(starved, np.ones(3), mode="same") > 0
        return {
            "x": float(mass @ self.x),
            "xx": float(mass @ self.x**2),
            "kl": float(relative.sum()),
            "chi": float(np.logaddexp(0, top)) if top > -30 else float(np.exp(top)),
            "edge": float(share[:edge].sum() + share[-edge:].sum() + share[beside].sum()),
            "wall": float(mass[:2].sum() + mass[-2:].sum()),
        }


def flow(
    potential: Potential, starts: Sequence[Start], first: float, doublings: Sequence[int]
) -> list[list[dict[str, Known]]]:
    """Per start and time 2^k first: E x, E x^2, KL, log(1 + chi2) with widths."""
    ends = box(potential, starts)
    mesh = line_mesh(potential, starts, ends)
    sizes = [int(mesh.size * part) for part in LEVELS]
    read: list[list[list[dict[str, float]]]] = []
    for cells in sizes:
        level = _Level(potential, mesh, cells)
        moves = level.propagators(first, doublings)
        first_masses = [level.masses(s) for s in starts]
        lost = [abs(float(m.sum()) - 1) for m in first_masses]
        begun = [m / m.sum() for m in first_masses]
        read.append([[level.functionals(m @ move) for move in moves] for m in begun])
    half = max(abs(ends[0]), abs(ends[1]))
    answers = []
    for s in range(len(starts)):
        answers.append([])
        for t in range(len(doublings)):
            values = [level[s][t] for level in read]
            wall = values[-1]["wall"]
            edges = {"x": half, "xx": half**2, "kl": 700.0, "chi": 0.0}
            more = {
                name: wall * edge + lost[s] * max(1.0, abs(values[-1][name]))
                for name, edge in edges.items()
            }
            known = limits(sizes, values, more)
            if max(v["edge"] for v in values) > 1e-7:
                known["chi"] = Known(known["chi"].value, math.inf, "open")
            answers[-1].append(known)
    return answers


def orderly(values: Sequence[float], low: float = 2.4, high: float = 3.4) -> bool:
    """Whether three values differ as h^2 does (a ratio of 2.86), or by rounding alone."""
    moved = np.abs(np.diff(values))
    near = 1e-8 * max(abs(v) for v in values)
    return bool(moved[1] < near or low < moved[0] / moved[1] < high)


def limits(
    sizes: Sequence[int], values: Sequence[dict[str, float]], more: dict[str, float]
) -> dict[str, Known]:
    """Every functional's limit; how far the series has set in is asked of all of them together.

    One may look settled by accident: what the last term is to the correction, for the worst of
    them, holds for each.
    """
    named = [n for n in ("x", "xx", "y", "yy", "kl") if n in more]
    joint = all(orderly([v[n] for v in values], 1.7, 6.0) for n in named)
    share = max(_remainder(sizes, [v[n] for v in values]) for n in named)
    return {
        n: richardson(sizes, [v[n] for v in values], m, trusted=joint, share=share)
        for n, m in more.items()
    }


def _extrapolated(sizes: Sequence[int], values: Sequence[float]) -> tuple[float, float]:
    """With h^2 and h^4 from three values, and with h^2 from two."""
    h = 1 / np.array(sizes, dtype=float)
    rows = np.stack([np.ones(3), (h / h[0]) ** 2, (h / h[0]) ** 4], axis=1)
    full = float(np.linalg.solve(rows, np.array(values))[0])
    return full, float(np.linalg.solve(rows[1:, :2], np.array(values[1:]))[0])


def _remainder(sizes: Sequence[int], values: Sequence[float]) -> float:
    """|last term| over |correction|; 0 where both are rounding."""
    full, less = _extrapolated(sizes, values)
    near = 1e-8 * max(abs(v) for v in values)
    return abs(full - less) / abs(full - values[-1]) if abs(full - values[-1]) > near else 0.0


def richardson(
    sizes: Sequence[int],
    values: Sequence[float],
    more: float = 0.0,
    *,
    trusted: bool = True,
    share: float = 1e-3,
) -> Known:
    """Limit of a + b h^2 + c h^4, and ten times what the last term moved."""
    full, less = _extrapolated(sizes, values)
    moved = np.abs(np.diff(values))
    rounding = 1e-11 * max(abs(v) for v in values)
    # elsewhere only the spread speaks
    trusted = trusted and orderly(values)
    doubt = 10 * abs(full - less) if trusted else 2 * float(moved.sum())
    doubt += 10 * share * abs(values[-1] - full)
    return Known(full, doubt + rounding + 3 * more)


def gap(potential: Potential) -> Known:
    """Spectral gap, two walls, three meshes each."""
    low, high = _gap(potential, 75.0), _gap(potential, 160.0)
    if low.state != "finite" or high.state != "finite":
        return high
    return Known(high.value, high.width + 1.2 * abs(high.value - low.value))


def log_sobolev_bound(potential: Potential) -> float:
    """Least FI/(2 KL) over normal laws: no log-Sobolev constant is larger (0.1 per cent added)."""
    ends = box(potential, [], 75.0)
    mesh = line_mesh(potential, [], ends)
    n = 6000
    xi = (np.arange(n) + 0.5) / n
    x, volume = mesh.x(xi), mesh.slope(xi) / n
    u = potential(x)
    log_z = logsumexp(-u + np.log(volume))
    slope = np.gradient(u, xi) / mesh.slope(xi)
    best = math.inf
    for mean in np.linspace(ends[0], ends[1], 41)[1:-1]:
        for sd in np.geomspace(1e-2, 1, 17) * (ends[1] - ends[0]) / 10:
            if mean - 6 * sd < ends[0] or mean + 6 * sd > ends[1]:
                continue
            z = (x - mean) / sd
            if np.count_nonzero(np.abs(z) < 1) < 40:
                continue
            log_density = -0.5 * z**2 - math.log(sd * math.sqrt(2 * math.pi))
            mass = np.exp(log_density) * volume
            kl = float(mass @ (log_density + u + log_z))
            fisher = float(mass @ (slope - z / sd) ** 2)
            if kl > 1e-3:
                best = min(best, fisher / (2 * kl))
    return best * 1.001


def hessian_ends(potential: Potential) -> tuple[float, float]:
    """Least and largest second derivative on a fine scan (fourth-order differences)."""
    ends = box(potential, [], 60.0)
    x = np.linspace(*ends, 400_001)
    h = max(1e-3, x[1] - x[0])
    f = [potential(x + k * h) for k in (-2, -1, 0, 1, 2)]
    second = (-f[0] + 16 * f[1] - 30 * f[2] + 16 * f[3] - f[4]) / (12 * h**2)
    return float(second.min()), float(second.max())


def _gap(potential: Potential, climb: float) -> Known:
    ends = box(potential, [], climb)
    mesh = line_mesh(potential, [], ends)
    values, sizes = [], []
    for part in LEVELS:
        cells = int(8 * mesh.size * part)
        value = _leading(potential, mesh, cells)
        if value is None:
            return Known(0.0, 1e-250, "tiny")
        values.append(value)
        sizes.append(cells)
    return richardson(sizes, values)


def _leading(potential: Potential, mesh: Mesh, cells: int) -> float | None:
    xi = (np.arange(cells) + 0.5) / cells
    x, volume = mesh.x(xi), mesh.slope(xi) / cells
    u = potential(x)
    u = u - u.min()
    if u.max() > 600:  # a barrier of this height: below e^-590 times any rate drawn here
        return None
    mass = np.exp(-u) * volume
    mass /= mass.sum()
    # at the nodes: half of one's own cell belongs to either side
    below = np.cumsum(mass) - mass / 2
    above = np.cumsum(mass[::-1])[::-1] - mass / 2
    root = volume / np.sqrt(mass)  # sqrt(volume/pi density)

    def apply(v: Array) -> Array:
        v = np.ravel(v) * root
        left, right = np.cumsum(below * v), np.cumsum((above * v)[::-1])[::-1]
        own = v * below * above
        return root * (above * (left - below * v) + below * (right - above * v) + own)

    operator = LinearOperator((cells, cells), matvec=apply, dtype=np.float64)
    guess = np.sqrt(mass) + root * below * above / (root * below * above).max()
    top = eigsh(operator, k=1, which="LA", v0=guess, tol=1e-13, maxiter=20_000)[0][0]
    return float(1 / top)
