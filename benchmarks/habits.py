"""The habits themselves: what test suites of samplers do, with their usual settings.

Sources: moments within a tolerance and Kolmogorov-Smirnov after thinning are what the suites of
most sampling libraries do; the exact rank test in sequential form is that of Gandy and Scott,
Unit testing for MCMC (arXiv 2001.06465), for reversible kernels; the joint test is that of Geweke,
Getting it right, JASA 99 (2004) 799.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from lvebm_theory.arrays import FloatArray

CHAINS = 8
BURN_IN = 500
KEPT = 2500
LONG_RUN = (BURN_IN + KEPT) * CHAINS
TOLERANCE = 0.1
THINNED_BY = 5
KS_LEVEL = 1e-3
RANK_LEVEL = 1e-5
RANK_POSITIONS = 10
RANK_THINNING = 5
RANK_FIRST = 1000
RANK_GROWTH = 4
RANK_LOOKS = 4
GEWEKE_Z = 3.29  # 0.001, two-sided
GEWEKE_BATCHES = 25


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Whether a habit raises an alarm, and what it cost in chain steps."""

    alarm: bool
    calls: int


@dataclass(frozen=True, kw_only=True)
class Habit:
    """A name, its settings in words, and the test; None where it does not apply."""

    name: str
    settings: str
    apply: Callable[[Problem], Outcome | None]


class Chain:
    """A fresh kernel of an entry on a target, momenta included where it has them."""

    def __init__(self, entry: Any, target: Any, step_size: float, rng: np.random.Generator) -> None:
        from verification.samplers.kernel import Kernel

        self.kernel = Kernel(entry.make(), True, "numpy")
        self.kernel.examine(target, step_size)
        self.target = self.kernel.state_target(target)
        self.step_size, self.rng = step_size, rng

    def step(self, state: FloatArray) -> FloatArray:
        """One call for all chains."""
        return self.kernel.advance(state, self.target, self.step_size, self.rng)


class Problem:
    """The author's test problem: a normal in the plane, or the kernel's own target."""

    def __init__(self, entry: Any, seed: int) -> None:
        from verification.samplers.targets.defaults import default_targets, subsampled_targets

        self.entry, self.seed = entry, seed
        if "targets" in entry.options:
            self.target = entry.options["targets"][0]
        elif _looks_at_terms(entry):
            self.target = subsampled_targets()[-1]
        else:
            self.target = default_targets()[0]
        self.step_size = _tuned(entry, self.target, seed)

    @property
    def reversible(self) -> bool:
        """Whether detailed balance is claimed: no sweep in fixed order, no composition of moves."""
        if self.entry.kind != "adjusted":
            return False
        families = ("mala", "random walk", "hmc")
        return self.entry.family in families or "random-scan" in self.entry.name

    def chain(self, stream: int) -> tuple[Chain, np.random.Generator]:
        """A fresh chain and its generator."""
        rng = np.random.default_rng((self.seed, stream))
        return Chain(self.entry, self.target, self.step_size, rng), rng

    @cached_property
    def draws(self) -> FloatArray:
        """Positions (KEPT, CHAINS, d) after burn-in, from starts around the mean."""
        chain, rng = self.chain(72)
        d = self.target.for_step.dim
        centre = np.zeros(chain.target.dim)
        centre[:d] = self.target.mean
        state = centre + 0.1 * rng.standard_normal((CHAINS, chain.target.dim))
        kept = np.empty((KEPT, CHAINS, d))
        for t in range(BURN_IN + KEPT):
            state = chain.step(state)
            if t >= BURN_IN:
                kept[t - BURN_IN] = np.nan_to_num(state[:, :d], nan=1e6, posinf=1e6, neginf=-1e6)
        return np.clip(kept, -1e6, 1e6)


def _looks_at_terms(entry: Any) -> bool:
    scheme = entry.options.get("scheme")
    return scheme == "sgld" or bool(getattr(scheme, "terms", False))


def _has_momenta(entry: Any) -> bool:
    from verification.samplers.arguments import arguments_of

    return "v" in arguments_of(entry.make())


def _tuned(entry: Any, target: Any, seed: int) -> float:
    """A fifth of length^2 for schemes with a bias, three quarters accepted for the others."""
    unit = target.length**2
    if entry.kind != "adjusted":
        return float(0.3 * target.length if _has_momenta(entry) else 0.2 * unit)
    rng = np.random.default_rng((seed, 71))
    chosen = 0.05 * unit
    for h in unit * np.geomspace(0.05, 5.0, 14):
        chain = Chain(entry, target, h, rng)
        x = chain.target.draw(rng, 200)
        if float(np.mean(np.any(chain.step(x) != x, axis=1))) < 0.75:
            break
        chosen = h
    return float(chosen)


def _exact(problem: Problem) -> tuple[FloatArray, FloatArray]:
    """Mean and standard deviations of the positions."""
    target = problem.target
    return target.mean, np.sqrt(np.diag(np.linalg.inv(target.precision)))


def _moments(tolerance: float, relative: bool) -> Callable[[Problem], Outcome]:
    def apply(problem: Problem) -> Outcome:
        mean, sd = _exact(problem)
        x = problem.draws.reshape(-1, problem.draws.shape[2])
        unit = sd if relative else np.ones_like(sd)
        off = np.concatenate([(x.mean(axis=0) - mean) / unit, (x.std(axis=0) - sd) / unit])
        return Outcome(alarm=bool(np.abs(off).max() > tolerance), calls=LONG_RUN)

    return apply


def _kolmogorov_smirnov(problem: Problem) -> Outcome:
    from scipy.stats import kstest, norm

    mean, sd = _exact(problem)
    thinned = problem.draws[::THINNED_BY].reshape(-1, problem.draws.shape[2])
    levels = [
        kstest(thinned[:, j], norm(mean[j], sd[j]).cdf).pvalue for j in range(thinned.shape[1])
    ]
    return Outcome(alarm=bool(min(levels) < KS_LEVEL), calls=LONG_RUN)


def _rank(problem: Problem) -> Outcome | None:
    """The rank of an exact draw at a random place of a short chain is uniform."""
    from scipy.stats import chisquare

    if not problem.reversible:
        return None
    chain, rng = problem.chain(73)
    beta = RANK_LEVEL / RANK_LOOKS
    gamma, n, calls = beta ** (1 / RANK_LOOKS), RANK_FIRST, 0
    for look in range(RANK_LOOKS):
        ranks, spent = _ranks(chain, n, rng)
        calls += spent
        levels = [
            chisquare(np.bincount(r, minlength=RANK_POSITIONS)).pvalue * len(ranks) for r in ranks
        ]
        least = min(1.0, *levels)
        if least <= beta:
            return Outcome(alarm=True, calls=calls)
        if least > gamma + beta:
            break
        beta /= gamma
        if look == 0:
            n *= RANK_GROWTH
    return Outcome(alarm=False, calls=calls)


def _ranks(chain: Chain, n: int, rng: np.random.Generator) -> tuple[list[Any], int]:
    """Ranks (n,) of the start among its chain, for every coordinate and the energy."""
    start = chain.target.draw(rng, n)
    place = rng.integers(RANK_POSITIONS, size=n)
    before = _functions(chain, start)
    below = np.zeros_like(before, dtype=np.int64)
    ties = np.zeros_like(below)
    for ahead in (True, False):
        # by reversibility the past is drawn like the future
        steps = RANK_POSITIONS - 1 - place if ahead else place
        state = start
        for k in range(1, RANK_POSITIONS):
            for _ in range(RANK_THINNING):
                state = chain.step(state)
            seen, now = (k <= steps)[:, None], _functions(chain, state)
            below += seen & (now < before)
            ties += seen & (now == before)
    broken = below + (rng.random(ties.shape) * (ties + 1)).astype(np.int64)
    calls = 2 * n * (RANK_POSITIONS - 1) * RANK_THINNING
    return [broken[:, j] for j in range(broken.shape[1])], calls


def _functions(chain: Chain, state: FloatArray) -> FloatArray:
    energy = chain.target.energy.potential(state)
    return np.concatenate([state, energy[:, None]], axis=1)


class PosteriorOfRows:
    """U(theta) of p(theta | y) for theta ~ N(0, I), y ~ N(theta, I), one y for every row."""

    def __init__(self, y: FloatArray) -> None:
        self.y, self.dim, self.name = y, y.shape[1], "posterior"

    def potential(self, x: FloatArray) -> FloatArray:
        """|x|^2/2 + |y - x|^2/2, shape (n,)."""
        return np.asarray((x * x + (self.y - x) ** 2).sum(axis=1) / 2)

    def gradient(self, x: FloatArray) -> FloatArray:
        """2x - y, shape (n, d)."""
        return np.asarray(2 * x - self.y)


def _geweke(batched: bool) -> Callable[[Problem], Outcome | None]:
    def apply(problem: Problem) -> Outcome | None:
        entry = problem.entry
        # conditionals, sums of terms, exact transitions and ensembles do not fit one y per chain
        if entry.family in ("gibbs", "exact", "ensemble") or _looks_at_terms(entry):
            return None
        rng = np.random.default_rng((problem.seed, 74))
        from verification.samplers.arguments import arguments_of

        step, d, with_momenta = entry.make(), 1, _has_momenta(entry)
        theta = rng.standard_normal((CHAINS, d))
        v = rng.standard_normal((CHAINS, d))
        h = problem.step_size
        sized = "step_size" in arguments_of(step)
        seen = np.empty((KEPT, CHAINS, 3 * d))
        for t in range(KEPT):
            y = theta + rng.standard_normal(theta.shape)
            energy = PosteriorOfRows(y)
            with np.errstate(all="ignore"):
                if with_momenta:
                    theta, v = step(theta, v, energy, h, rng)
                else:
                    theta = step(theta, energy, *([h] if sized else []), rng)
            theta = np.clip(np.nan_to_num(theta, nan=1e6), -1e6, 1e6)
            seen[t] = np.concatenate([theta, theta**2, theta * y], axis=1)
        prior = rng.standard_normal((KEPT * CHAINS, d))
        data = prior + rng.standard_normal(prior.shape)
        reference = np.concatenate([prior, prior**2, prior * data], axis=1)
        return Outcome(
            alarm=bool(np.abs(_scores(seen, reference, batched)).max() > GEWEKE_Z),
            calls=KEPT * CHAINS,
        )

    return apply


def _scores(seen: FloatArray, reference: FloatArray, batched: bool) -> FloatArray:
    """Differences of means in standard errors, shape (k,)."""
    flat = seen.reshape(-1, seen.shape[2])
    variance = flat.var(axis=0) / len(flat)
    if batched:
        batches = seen.reshape(GEWEKE_BATCHES, -1, *seen.shape[1:]).mean(axis=1)
        variance = batches.reshape(-1, seen.shape[2]).var(axis=0, ddof=1)
        variance = variance / (GEWEKE_BATCHES * seen.shape[1])
    spread = np.sqrt(variance + reference.var(axis=0) / len(reference))
    return np.asarray((flat.mean(axis=0) - reference.mean(axis=0)) / np.maximum(spread, 1e-300))


_CHAIN = f"{CHAINS} chains of {KEPT} steps after {BURN_IN} of burn-in"
HABITS = (
    Habit(
        name="moments within 0.1",
        settings=f"means and standard deviations within {TOLERANCE:g}, {_CHAIN}.",
        apply=_moments(TOLERANCE, False),
    ),
    Habit(
        name="loose moments",
        settings=f"within 0.3 standard deviations, {_CHAIN}.",
        apply=_moments(3 * TOLERANCE, True),
    ),
    Habit(
        name=f"Kolmogorov-Smirnov, thinned by {THINNED_BY}",
        settings=f"p < {KS_LEVEL:g} in any coordinate, {_CHAIN}.",
        apply=_kolmogorov_smirnov,
    ),
    Habit(
        name="exact rank, sequential",
        settings=f"Gandy and Scott at level {RANK_LEVEL:g}: {RANK_FIRST} chains of "
        f"{RANK_POSITIONS} states {RANK_THINNING} steps apart, then {RANK_GROWTH} times as many, "
        f"{RANK_LOOKS} looks, chi-square of every coordinate and the energy; reversible kernels.",
        apply=_rank,
    ),
    Habit(
        name="Geweke's joint test, iid variance",
        settings=f"|z| > {GEWEKE_Z:g} for theta, theta^2, theta y; {CHAINS} chains of {KEPT} "
        "steps from the prior; normal prior and likelihood.",
        apply=_geweke(False),
    ),
    Habit(
        name="Geweke's joint test, batch means",
        settings=f"the same with variances from {GEWEKE_BATCHES} batch means per chain.",
        apply=_geweke(True),
    ),
)
