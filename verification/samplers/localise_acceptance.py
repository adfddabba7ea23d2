r"""The acceptance of an adjusted kernel, taken apart by intervention.

Where a uniform decides, its threshold is found by bisection with all other draws kept: that is the
log ratio r of every chain, where r < 0. Where one normal makes the proposal y = F(x, xi), the right
one follows from the proposals alone, by the change of variables xi -> y,

    r* = U(x) - U(y) + log phi(xi')/phi(xi) + log |det F_xi(x, xi)| - log |det F_xi(y, xi')|,

with F(y, xi') = x found by Newton's method: for random walks, Langevin proposals with any
preconditioner and reversible trajectories alike. A change of the potential alone, with the gradient
as it was, tells with which factor U(x) - U(y) enters r.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lvebm_theory.arrays import BoolArray, FloatArray

from . import localise_draws
from .localise_draws import extreme
from .localise_trace import Draw, Hands, TracedEnergy, closest

CHAINS = 256
DEEP = -30.0  # log ratios below are not read
HALVINGS = 40
NEWTON = 20
STEP = 1e-4
SMALL = 1e-2  # of the step size
FEWEST = 12


@dataclass(frozen=True, kw_only=True)
class Acceptance:
    """What decides, and by what ratio.

    Parameters
    ----------
    decisions : int
        How many draws decide about chains one by one.
    shapes : str
        "chains" where the last decision has a draw for each chain, "one" where one draw serves
        all, "coordinates" where every coordinate has its own, "whole numbers" where the draw is
        discrete, "" where nothing ever decides.
    proposed : array (n, d)
    ratio, right : arrays (n,)
        r and r*, the latter not-a-number where it was not found.
    read : boolean array (n,)
        Where r < 0 was read.
    potential : array (n,), U(x) - U(y)
    proposal : array (n,), r* - (U(x) - U(y))
    weight : float
        Factor with which a change of the potential enters r; not-a-number if unknown.
    scatter : float
        What that factor leaves unexplained, root mean square relative to the change.
    returns : float
        Share of proposals with a way back.
    looked : bool
        Whether the gradient was asked at the proposals.
    gradients : int
        At how many different states gradients were asked: a step that asks twice at one state is
        not a trajectory.
    noise, back : arrays (n, d), optional
        The normals that move, and those that would move back.
    volume : array (n,), the logarithms of determinants in r*
    unmoved : float
        Share of proposals that no draw accepts.
    strays : boolean
        Whether one draw decides between two results neither of which is the start.
    odd : boolean
        Whether a draw that matters is of a size that cannot give each chain its own.
    mixed : boolean
        Whether the result of a chain depends on where the others are.
    few : boolean
        Whether fewer normals than coordinates, or one for all chains, make the moves.
    moving : tuple of str
        Sorts of the draws that move.
    lean, spread : arrays (n, d) and (n, d, d), optional
        x - F(x, 0) and F_xi(x, 0) at ``SMALL`` times the step size.
    """

    decisions: int
    shapes: str
    proposed: FloatArray
    ratio: FloatArray
    right: FloatArray
    read: BoolArray
    potential: FloatArray
    proposal: FloatArray
    weight: float
    scatter: float
    returns: float
    looked: bool
    gradients: int
    noise: FloatArray | None
    back: FloatArray | None
    volume: FloatArray
    unmoved: float
    strays: bool
    odd: bool
    mixed: bool
    few: bool
    moving: tuple[str, ...]
    lean: FloatArray | None
    spread: FloatArray | None


def of_acceptance(hands: Hands, x: FloatArray) -> Acceptance:
    """Takes the acceptance of a traceable step apart."""
    d = hands.target.for_step.dim
    plain = hands.run(x)
    deciding = _deciding(hands, x, plain.draws)
    if deciding:
        slot, high = deciding[-1]
        sort, size = plain.draws[slot].sort, plain.draws[slot].values.size
        if sort == "integer":
            shapes = "whole numbers"
        else:
            shapes = {1: "one", len(x): "chains"}.get(size, "coordinates")
    else:
        slot, high, sort, size, shapes = -1, False, "uniform", len(x), ""
    given = {s: extreme(plain.draws[s], h, True) for s, h in deciding}
    sure = hands.run(x, given)
    y = sure.after[:, :d]
    moved = np.any(y != x[:, :d], axis=1)
    ratio, read = np.zeros(len(x)), np.zeros(len(x), dtype=bool)
    usable = shapes in ("chains", "one") and sort != "integer"
    if usable:
        ratio = _thresholds(hands, x, slot, high, plain.draws, given)
        read = (ratio < -1e-12) & (ratio > DEEP + 1) & moved
    potential = hands.target.for_step.potential
    change = potential(x[:, :d]) - potential(y)
    movers = _moving(hands, x, sure.draws, given, y)
    mover = _single(movers, sure.draws, len(x) * d)
    right, lean, spread, noise, returns = np.full(len(x), np.nan), None, None, None, math.nan
    back, volume = None, np.zeros(len(x))
    if mover is not None and x.shape[1] == d:
        noise = sure.draws[mover].values.reshape(len(x), d)
        motion = Motion(hands, mover, given)
        # drift and noise to the lowest order: of trajectories they are so at small steps only
        small = replace(motion, hands=replace(hands, step_size=SMALL * hands.step_size))
        lean = x - small.at(x, np.zeros_like(noise))
        spread = small.slope(x, np.zeros_like(noise))
        back, volume, good = motion.way_back(x, noise, y)
        found = np.where(good, ((noise**2 - back**2).sum(axis=1)) / 2 + volume, np.nan)
        returns = float(np.mean(np.isfinite(found[moved]))) if moved.any() else math.nan
        right = change + found
    weight, scatter = math.nan, math.nan
    if usable and read.sum() >= FEWEST:
        weight, scatter = _weight(hands, x, y, slot, high, plain.draws, given, ratio, read)
    asked = sure.energy.gradients
    looked = any(g.shape == y.shape and np.any(np.all(g == y, axis=1) & moved) for g in asked)
    return Acceptance(
        decisions=len(deciding),
        shapes=shapes,
        proposed=y,
        ratio=ratio,
        right=right,
        read=read,
        potential=change,
        proposal=right - change,
        weight=weight,
        scatter=scatter,
        returns=returns,
        looked=looked,
        gradients=_distinct(asked),
        noise=noise,
        back=back,
        volume=volume,
        unmoved=localise_draws.unmoved(hands, x[:, :d], moved, sure),
        strays=not deciding and localise_draws.strays(hands, x, plain),
        odd=localise_draws.odd(hands, x, plain),
        mixed=localise_draws.mixed(hands, x, plain.after),
        few=bool(movers) and sum(sure.draws[m].values.size for m in movers) < len(x) * d,
        moving=tuple(sure.draws[m].sort for m in movers),
        lean=lean,
        spread=spread,
    )


def _distinct(asked: Sequence[FloatArray]) -> int:
    """How many of the arrays differ."""
    found: list[FloatArray] = []
    for state in asked:
        if not any(np.array_equal(state, other, equal_nan=True) for other in found):
            found.append(state)
    return len(found)


def _deciding(hands: Hands, x: FloatArray, draws: list[Draw]) -> list[tuple[int, bool]]:
    """Draws by which chains stay or move, and whether large draws accept."""
    found: list[tuple[int, bool]] = []
    d = hands.target.for_step.dim
    plain = hands.run(x).after[:, :d]
    for slot, draw in enumerate(draws):
        if draw.sort == "normal" or draw.values.size not in (1, len(x), len(x) * d):
            continue
        low, top = (
            hands.run(x, {slot: extreme(draw, False, end)}).after[:, :d] for end in (True, False)
        )
        differs = np.any(low != top, axis=1)
        # what decides leaves two results; other draws make a result of their own
        two = np.all(plain == low, axis=1) | np.all(plain == top, axis=1)
        if not differs.any() or not two.all():
            continue
        stay = [float(np.mean(np.any(z == x[:, :d], axis=1)[differs])) for z in (low, top)]
        if stay[1] > 0.5 > stay[0]:
            found.append((slot, False))
        elif stay[0] > 0.5 > stay[1]:
            found.append((slot, True))
    return found


def _thresholds(
    hands: Hands,
    x: FloatArray,
    slot: int,
    high: bool,
    draws: list[Draw],
    given: dict[int, FloatArray],
    energy: TracedEnergy | None = None,
) -> FloatArray:
    """log of the largest uniform that accepts, between ``DEEP`` and 0."""
    draw, d = draws[slot], hands.target.for_step.dim
    low, top = np.full(len(x), DEEP), np.zeros(len(x))
    one = draw.values.size == 1
    if one:
        return _thresholds_of_one(hands, x, slot, high, draw, given)
    for _ in range(HALVINGS):
        middle = (low + top) / 2
        values = np.array([closest(m, draw.sort, high) for m in middle])
        fresh = TracedEnergy(hands.target.for_step, lift=energy.lift) if energy else None
        after = hands.run(x, {**given, slot: values}, fresh).after[:, :d]
        accepted = np.any(after != x[:, :d], axis=1)
        low, top = np.where(accepted, middle, low), np.where(accepted, top, middle)
    return np.where(top > -1e-9, 0.0, (low + top) / 2)


def _thresholds_of_one(
    hands: Hands, x: FloatArray, slot: int, high: bool, draw: Draw, given: dict[int, FloatArray]
) -> FloatArray:
    """The same from a grid, where one draw serves all chains."""
    d, best = hands.target.for_step.dim, np.full(len(x), DEEP)
    for level in np.linspace(-6.0, 0.0, 61):
        value = np.full(draw.values.shape, closest(float(level), draw.sort, high))
        after = hands.run(x, {**given, slot: value}).after[:, :d]
        best = np.where(np.any(after != x[:, :d], axis=1), level, best)
    return best


def _moving(
    hands: Hands, x: FloatArray, draws: list[Draw], given: dict[int, FloatArray], y: FloatArray
) -> list[int]:
    """The draws that make the proposal."""
    d, found = hands.target.for_step.dim, []
    for slot, draw in enumerate(draws):
        if slot in given or draw.sort == "integer":
            continue
        other = draw.values * 0.5 if draw.sort == "normal" else 0.25 + draw.values / 2
        after = hands.run(x, {**given, slot: other}).after[:, :d]
        if np.any(after != y):
            found.append(slot)
    return found


def _single(movers: list[int], draws: list[Draw], size: int) -> int | None:
    """The one normal of the proposal, if there is one."""
    if len(movers) != 1 or draws[movers[0]].values.size != size:
        return None
    return movers[0] if draws[movers[0]].sort == "normal" else None


def _weight(
    hands: Hands,
    x: FloatArray,
    y: FloatArray,
    slot: int,
    high: bool,
    draws: list[Draw],
    given: dict[int, FloatArray],
    ratio: FloatArray,
    read: BoolArray,
) -> tuple[float, float]:
    """Factor of a change of the potential alone, and what it leaves unexplained."""
    d = hands.target.for_step.dim
    size = float(np.std(y - x[:, :d])) + 1e-300

    def lift(z: FloatArray) -> FloatArray:
        return np.asarray(0.3 * np.sin((z / size).sum(axis=-1)))

    lifted = TracedEnergy(hands.target.for_step, lift=lift)
    again = _thresholds(hands, x, slot, high, draws, given, lifted)
    kept = read & (again < -1e-9) & (again > DEEP + 1)
    moved = hands.run(x, given, TracedEnergy(hands.target.for_step, lift=lift)).after[:, :d]
    kept &= np.all(moved == y, axis=1)
    if kept.sum() < FEWEST:
        return math.nan, math.nan
    off = (lift(x[:, :d]) - lift(y))[kept]
    seen = (again - ratio)[kept]
    factor = float(off @ seen) / float(off @ off)
    rest = seen - factor * off
    return factor, float(np.sqrt(np.mean(rest**2) / np.mean(off**2)))


@dataclass(frozen=True)
class Motion:
    """y = F(x, xi) with the acceptance forced."""

    hands: Hands
    slot: int
    given: dict[int, FloatArray]

    def at(self, x: FloatArray, noise: FloatArray) -> FloatArray:
        """F(x, xi)."""
        return self.hands.run(x, {**self.given, self.slot: noise}).after[:, : noise.shape[1]]

    def slope(self, x: FloatArray, noise: FloatArray) -> FloatArray:
        """F_xi, shape (n, d, d), by central differences."""
        columns = []
        for j in range(noise.shape[1]):
            shift = np.zeros_like(noise)
            shift[:, j] = STEP
            columns.append((self.at(x, noise + shift) - self.at(x, noise - shift)) / (2 * STEP))
        return np.stack(columns, axis=2)

    def way_back(
        self, x: FloatArray, noise: FloatArray, y: FloatArray
    ) -> tuple[FloatArray, FloatArray, BoolArray]:
        """xi' with F(y, xi') = x, the change of volume, and where it was found."""
        there = self.slope(x, noise)
        back = -noise
        with np.errstate(all="ignore"):
            for _ in range(NEWTON):
                miss = self.at(y, back) - x
                if np.abs(miss).max() < 1e-12 * np.abs(x).max():
                    break
                step = np.einsum("nij,nj->ni", _inverse(self.slope(y, back)), miss)
                size = np.abs(step).max(axis=1, keepdims=True)
                back = back - np.nan_to_num(step) * np.minimum(1.0, 2.0 / np.maximum(size, 1e-300))
                back = np.clip(back, -60, 60)
            miss = np.abs(self.at(y, back) - x).max(axis=1)
            here = self.slope(y, back)
            volume = np.log(np.abs(np.linalg.det(there))) - np.log(np.abs(np.linalg.det(here)))
        found = (miss < 1e-6 * (np.abs(y - x).max(axis=1) + 1e-12)) & np.isfinite(volume)
        return back, np.where(found, volume, 0.0), found


def _inverse(slopes: FloatArray) -> FloatArray:
    fine = np.nan_to_num(slopes)
    return np.asarray(np.linalg.pinv(fine, rcond=1e-12))
