"""Truth in the plane for energies that are no products: a chain on a tensor mesh.

Rates as on the line, per axis. exp(tQ) p is a contour integral of resolvents over a parabola
(Weideman and Trefethen 2007), one sparse complex solve per node; the gap is the smallest
eigenvalue but one of the symmetrised generator. Three meshes each. Tails of densities are right to
about 1e-12 of their largest value, which is enough for moments and relative entropies.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.linalg import eigsh, splu

from .line import Known, Mesh, Start, bernoulli, limits, richardson

Array = npt.NDArray[np.float64]
Potential = Callable[[Array, Array], Array]
Start2 = tuple[Start, Start]

CELLS = (88, 132, 176)
CLIMB = 32.0
NODES = 24


def box(potential: Potential, starts: Sequence[Start2]) -> list[tuple[float, float]]:
    """Rectangle that holds the starts and all that lies below a level."""
    half = 6.0
    for _ in range(40):
        x = np.linspace(-half, half, 601)
        u = potential(x[:, None], x[None, :])
        level = u.min() + CLIMB
        for a, b in starts:
            level = max(level, float(potential(np.array(a.mean), np.array(b.mean))) + 22)
        wall = min(u[0].min(), u[-1].min(), u[:, 0].min(), u[:, -1].min())
        if wall > level:
            break
        half *= 1.4
    inside = u <= level
    ends = []
    for axis in range(2):
        there = x[inside.any(axis=1 - axis)]
        lows = [s[axis].mean - 7 * s[axis].sd for s in starts]
        highs = [s[axis].mean + 7 * s[axis].sd for s in starts]
        ends.append((min([there[0] - x[1] + x[0], *lows]), max([there[-1] + x[1] - x[0], *highs])))
    return ends


def axis_mesh(ends: tuple[float, float], features: Sequence[tuple[float, float]]) -> Mesh:
    """Dense around (centre, size) of every feature."""
    x = np.linspace(*ends, 8001)
    wanted = np.full_like(x, 10 / (ends[1] - ends[0]))
    for centre, size in features:
        wanted = np.maximum(wanted, np.exp(-0.5 * ((x - centre) / (3 * size)) ** 2) / size)
    return Mesh(x, wanted)


class _Level:
    def __init__(self, potential: Potential, meshes: Sequence[Mesh], n: int) -> None:
        h = 1 / n
        xi, between = (np.arange(n) + 0.5) * h, np.arange(1, n) * h
        self.axes = [m.x(xi) for m in meshes]
        slopes = [m.slope(xi) for m in meshes]
        u = potential(self.axes[0][:, None], self.axes[1][None, :])
        self.volume = np.outer(slopes[0], slopes[1]) * h * h
        log_gibbs = -(u - u.min()) + np.log(self.volume)
        self.gibbs = np.maximum(np.exp(log_gibbs) / np.exp(log_gibbs).sum(), 1e-300)
        index = np.arange(n * n).reshape(n, n)
        rows, columns, rates = [], [], []
        for axis in range(2):
            v, ids = (u, index) if axis == 0 else (u.T, index.T)
            slope, mid = slopes[axis][:, None], meshes[axis].slope(between)[:, None]
            rise = np.diff(v, axis=0)
            up = bernoulli(rise) / (h**2 * slope[:-1] * mid)
            down = bernoulli(-rise) / (h**2 * slope[1:] * mid)
            for source, target, rate in ((ids[:-1], ids[1:], up), (ids[1:], ids[:-1], down)):
                rows.append(source.ravel())
                columns.append(target.ravel())
                rates.append(rate.ravel())
        jumps = sparse.coo_array(
            (np.concatenate(rates), (np.concatenate(rows), np.concatenate(columns))),
            shape=(n * n, n * n),
        ).tocsr()
        out = np.asarray(jumps.sum(axis=1)).ravel()
        # forward equation: columns are where mass comes from
        self.forward = (jumps.T - sparse.diags_array(out)).tocsc()
        self.out = out
        self.jumps = jumps

    def moved(self, masses: Array, time: float) -> Array:
        """exp(t Q) of columns of masses."""
        total = np.zeros_like(masses)
        unit = sparse.eye_array(masses.shape[0], format="csc")
        for k in range(NODES // 2):
            theta = math.pi * (2 * k + 1) / NODES
            z = NODES * (0.1309 - 0.1194 * theta**2 + 0.25j * theta)
            dz = NODES * (-0.2388 * theta + 0.25j)
            solver = splu(
                (z / time * unit - self.forward).tocsc(),
                permc_spec="MMD_AT_PLUS_A",
                diag_pivot_thresh=0.0,
                options={"SymmetricMode": True},
            )
            part = np.exp(z) * dz / time * solver.solve(masses.astype(complex))
            total += 2 * (part / (1j * NODES)).real
        return total

    def functionals(self, mass: Array) -> dict[str, float]:
        mass = mass.reshape(self.gibbs.shape)
        x, y = self.axes
        w = mass / self.gibbs - 1
        inner = np.maximum(w, -1 + 1e-12)
        with np.errstate(over="ignore", invalid="ignore"):
            gentle = w**2 / 2 - w**3 / 6 + w**4 / 12
            entropy = np.where(np.abs(w) < 1e-3, gentle, (1 + inner) * np.log1p(inner) - inner)
        # where rounding is larger than pi nothing is known, and nothing should be there
        known = self.gibbs > 1e-13 * np.abs(mass).max()
        square = np.where(known, np.where(known, w, 0) ** 2 * self.gibbs, 0)
        edge = np.abs(mass[~known]).sum()
        mx, my = mass.sum(axis=1), mass.sum(axis=0)
        return {
            "x": float(mx @ x),
            "xx": float(mx @ x**2),
            "y": float(my @ y),
            "yy": float(my @ y**2),
            "kl": float((entropy * self.gibbs).sum()),
            "chi": float(np.log1p(square.sum())),
            "edge": float(edge),
        }

    def gap(self) -> float:
        root = np.sqrt(self.gibbs).ravel()
        # detailed balance: the symmetrised rate is the geometric mean of both directions
        symmetric = sparse.diags_array(self.out) - self.jumps.multiply(self.jumps.T).sqrt()
        shift = -1e-3
        values = eigsh(symmetric.tocsc(), k=2, sigma=shift, which="LM", v0=root, tol=1e-12)[0]
        return float(max(values))


def solve(
    potential: Potential,
    features: Sequence[tuple[float, float, float]],
    starts: Sequence[Start2],
    times: Sequence[float],
) -> tuple[Known, list[list[dict[str, Known]]]]:
    """Gap, and per start and time the functionals."""
    ends = box(potential, starts)
    meshes = []
    for axis in range(2):
        near = [(f[axis], f[2]) for f in features]
        near += [(s[axis].mean, 1.5 * s[axis].sd) for s in starts]
        meshes.append(axis_mesh(ends[axis], near))
    gaps, read = [], []
    for n in CELLS:
        level = _Level(potential, meshes, n)
        gaps.append(level.gap())
        columns = []
        for a, b in starts:
            mass = np.exp(
                a.log_density(level.axes[0])[:, None] + b.log_density(level.axes[1])[None, :]
            )
            columns.append((mass * level.volume).ravel())
        at = [level.moved(np.stack(columns, axis=1), t) for t in times]
        read.append([[level.functionals(m[:, s]) for m in at] for s in range(len(starts))])
    answers: list[list[dict[str, Known]]] = []
    for s in range(len(starts)):
        answers.append([])
        for t in range(len(times)):
            values = [r[s][t] for r in read]
            known = limits(CELLS, values, dict.fromkeys(values[0], 1e-9))
            edge = max(v["edge"] for v in values)
            if edge > 1e-9:
                known["chi"] = Known(known["chi"].value, math.inf, "open")
            del known["edge"]
            answers[-1].append(known)
    return richardson(CELLS, gaps, 1e-10), answers
