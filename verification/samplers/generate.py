"""Where a sampler is tried: step sizes are generated until both branches are exercised.

An inverted Metropolis ratio is invisible where acceptance is near one, so a fixed step size may
have no power at all. Pilots of their own (their draws are used for nothing else) trace the share
of chains that move over eight orders of magnitude of the step size, and places are taken where it
is high, middling and low. A step without a step size is given targets of different scales instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError

from .kernel import Kernel, StepError
from .meter import OutOfTime
from .subject import Kind, Place, child
from .targets.exact_target import ExactTarget
from .targets.maps import moved

GOALS = (0.95, 0.75, 0.45, 0.15)
LADDER = (0.1, 0.8, 0.3, 2.0, 0.02)  # of length^2; the middle one first if there is time for one
MOMENTUM_LADDER = (0.3, 1.0, 0.1)  # of length
GRID = tuple(10.0 ** (k / 2) for k in range(-9, 5))
PILOT = 48
FEWEST = 4


@dataclass(frozen=True, kw_only=True)
class Found:
    """Where a sampler is tried, and where it is not.

    Parameters
    ----------
    places : list of Place, simple ones first
    skipped : dict of str to str
        Why a target is left out, by its name.
    """

    places: list[Place]
    skipped: dict[str, str]


def places(
    kernel: Kernel,
    targets: Sequence[ExactTarget],
    kind: Kind,
    *,
    step_sizes: Sequence[float] | None,
    rng: np.random.Generator,
    per_target: int = 5,
    pilot: int = PILOT,
    given: bool = False,
) -> Found:
    """Targets and step sizes, simple ones first.

    Parameters
    ----------
    kernel : Kernel
    targets : sequence of ExactTarget
        Of the positions.
    kind : str
    step_sizes : sequence of float, optional
        Asked for by the user; then nothing is generated.
    rng : numpy Generator
        Of the pilots.
    per_target : int
        At most so many step sizes for one target.
    pilot : int
        Chains of a pilot; none: step sizes are taken from a fixed ladder.
    given : bool
        Whether the user named the targets: then they are used as they are.

    Raises
    ------
    ArgumentError
        Step sizes that are not finite and positive.
    StepError
        When the step raises on every target.
    """
    check_steps(step_sizes)
    found: list[Place] = []
    skipped: dict[str, str] = {}
    raised: StepError | None = None
    for target in targets:
        try:
            found += _places(kernel, target, kind, step_sizes, rng, per_target, pilot, given)
        except StepError as error:
            # too few walkers for it, say, or too few coordinates: whatever the sampler cannot take
            skipped[target.name] = "the step raised: " + str(error).splitlines()[-1]
            raised = raised or error
        except OutOfTime:
            skipped[target.name] = "no time was left to try step sizes there"
    if not found:
        if raised is not None:
            raise raised
        state = kernel.state_target(targets[0])
        skipped.pop(targets[0].name, None)
        found = [Place(target=state, step_size=h) for h in _usual(kernel, state, step_sizes)[:1]]
    return Found(places=ranked(found), skipped=skipped)


def check_steps(step_sizes: Sequence[float] | None) -> None:
    """Raises ArgumentError unless step sizes, where given, are finite and positive."""
    if step_sizes is None:
        return
    sizes = [float(h) for h in step_sizes]
    if not sizes or not all(np.isfinite(h) and h > 0 for h in sizes):
        raise ArgumentError(f"step sizes must be finite and > 0, got {list(step_sizes)}")


def ranked(found: Sequence[Place]) -> list[Place]:
    """The places with their ranks among the step sizes of their target."""
    result = []
    for place in found:
        sizes = sorted(p.step_size for p in found if p.target is place.target)
        result.append(replace(place, rank=sizes.index(place.step_size)))
    return result


def _places(
    kernel: Kernel,
    target: ExactTarget,
    kind: Kind,
    step_sizes: Sequence[float] | None,
    rng: np.random.Generator,
    per_target: int,
    pilot: int,
    given: bool,
) -> list[Place]:
    if "step_size" not in kernel.names:
        images = [target]
        if not given:
            scales = (1.0, 0.1, 10.0, 0.01, 100.0)[: per_target if per_target > 2 else 1]
            images = [moved(target, scale=s, name=f"{target.name}, scale {s:g}") for s in scales]
        return [_surveyed(kernel, kernel.state_target(i), 1.0, rng, pilot) for i in images]
    state = kernel.state_target(target)
    chosen = _usual(kernel, state, step_sizes)
    if step_sizes is None and kind == "adjusted" and pilot:
        chosen = _generated(kernel, state, rng, pilot)
    if step_sizes is None:
        chosen = sorted(set(chosen[:per_target]))
    found, raised = [], None
    for h in chosen:
        try:
            found.append(_surveyed(kernel, state, h, rng, pilot))
        except StepError as error:
            raised = raised or error
    if raised is not None and not found:
        raise raised
    return found


def _usual(kernel: Kernel, target: ExactTarget, step_sizes: Sequence[float] | None) -> list[float]:
    """Step sizes that need no pilot."""
    if step_sizes is not None:
        return [float(h) for h in step_sizes]
    length = target.length
    if "step_size" not in kernel.names:
        return [1.0]
    if kernel.with_momenta:
        return [f * length for f in MOMENTUM_LADDER]
    return [f * length**2 for f in LADDER]


def _generated(
    kernel: Kernel, target: ExactTarget, rng: np.random.Generator, pilot: int
) -> list[float]:
    length = target.length
    # generated sizes are irregular: a trajectory of exactly half a period maps x to -x
    jitter = np.exp(rng.uniform(-0.1, 0.1))
    sizes = jitter * length**2 * np.array(GRID)
    shares = _shares(kernel, target, sizes, rng, pilot)
    if shares.max() == 0.0 or shares.min() > GOALS[0]:
        if _ignores(kernel, target, sizes):
            return [float(sizes[len(sizes) // 2])]
        return [float(jitter * f * length**2) for f in LADDER]
    wanted = [_crossing(sizes, shares, goal) for goal in (GOALS[1], GOALS[3], GOALS[0], GOALS[2])]
    return [h for h in wanted if h is not None]


def _shares(
    kernel: Kernel, target: ExactTarget, sizes: FloatArray, rng: np.random.Generator, pilot: int
) -> FloatArray:
    """Shares of chains that move; none where the step raises, so that it is not tried there."""
    shares = np.zeros(len(sizes))
    raised: list[StepError] = []
    for i, h in enumerate(sizes):
        try:
            shares[i] = _survey(kernel, target, float(h), rng, pilot)[0]
        except StepError as error:
            raised.append(error)
    if len(raised) == len(sizes):
        raise raised[0]
    return shares


def _crossing(sizes: FloatArray, shares: FloatArray, goal: float) -> float | None:
    """The largest step size where the share of moves falls through the goal, interpolated."""
    above = shares >= goal
    falls = np.flatnonzero(above[:-1] & ~above[1:])
    if falls.size == 0:
        return float(sizes[int(np.argmin(np.abs(shares - goal)))])
    i = int(falls[-1])
    part = (shares[i] - goal) / (shares[i] - shares[i + 1])
    return float(np.exp(np.log(sizes[i]) + part * np.log(sizes[i + 1] / sizes[i])))


def _ignores(kernel: Kernel, target: ExactTarget, sizes: FloatArray) -> bool:
    """Whether the step size changes nothing, under one seed."""
    x = target.draw(np.random.default_rng(8), kernel.walkers or 7)
    ends = [
        kernel.advance(x, target, float(h), np.random.default_rng(9)) for h in (sizes[5], sizes[8])
    ]
    return bool(np.array_equal(ends[0], ends[1], equal_nan=True))


def _survey(
    kernel: Kernel, target: ExactTarget, h: float, rng: np.random.Generator, chains: int
) -> tuple[float, FloatArray]:
    """Share of chains that moved, and the typical size (k,) of their moves."""
    size = kernel.walkers or 1
    x = target.draw(rng, -(-chains // size) * size)
    if kernel.rounding > 1e-10:
        x = x.astype(np.float32).astype(np.float64)
    after = kernel.advance(x, target, h, child(rng))
    moves = np.any(after != x, axis=1)
    spread = target.scale[1]
    if not moves.any():
        return 0.0, spread
    with np.errstate(all="ignore"):
        typical = np.median(np.abs(after - x)[moves], axis=0)
    typical = np.nan_to_num(typical, nan=1.0, posinf=1e6)
    return float(moves.mean()), np.clip(typical, 1e-9 * spread, 1e3 * spread)


def _surveyed(
    kernel: Kernel, target: ExactTarget, h: float, rng: np.random.Generator, pilot: int
) -> Place:
    share, displacement = _survey(kernel, target, h, rng, max(2 * pilot, FEWEST))
    return Place(target=target, step_size=h, moved=share, displacement=displacement)
