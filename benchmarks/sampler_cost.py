"""Laws for samplers: calls to a rejection, sequential bets against a test of fixed size.

Both see the same payoffs of the same law at the same place, at the same alpha. The test of fixed
size takes the largest of the m payoffs' z-scores, with Bonferroni's correction and a normal
approximation that the bets do without; its size is the smallest at which it rejects in 95 of 100
runs, found by running it, as if the size had been known beforehand. The bets learn everything from
what they saw and stop when they are done; their calls are counted in whole looks, as they are
spent.

Wald's bound: with the effect known, log wealth grows by s^2/2 a call, so the median is at least
2 log(1/alpha)/s^2, against (z_alpha + z_0.95)^2/s^2: 0.65 at alpha = 1e-6 and one payoff.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from lvebm_theory.arrays import FloatArray
from verification.samplers.kernel import Kernel
from verification.samplers.laws import invariance, one_step_law
from verification.samplers.schemes import scheme_of
from verification.samplers.subject import Place, Subject
from verification.samplers.targets import gaussian, mixture
from verification.samplers.targets.exact_target import ExactTarget
from verification.samplers.trial import Trial

from .table import Table
from .targets import Target

TITLE = "Laws for samplers: calls to rejection against a test of fixed size"
TARGETS = (Target(measured="median ratio", goal="goal", at_most=True),)
ALPHA = 1e-6
POWER = 0.95
GOAL = 0.8
FINE = 1.03  # sizes of the fixed test are tried in these steps


def _mala(power: float = 1.0, noise: float = 1.0, flip: float = 1.0) -> Callable[..., Any]:
    def step(x: FloatArray, energy: Any, step_size: float, rng: np.random.Generator) -> FloatArray:
        h, g = step_size, energy.gradient(x)
        y = x - h * g + noise * np.sqrt(2 * h) * rng.standard_normal(x.shape)
        there, back = y - x + h * g, x - y + h * energy.gradient(y)
        ratio = energy.potential(x) - energy.potential(y)
        ratio = ratio + ((there**2).sum(axis=1) - (back**2).sum(axis=1)) / (4 * h)
        accepted = np.log(rng.random(len(x))) < flip * power * ratio
        return np.where(accepted[:, None], y, x)

    return step


def _walk(offset: float) -> Callable[..., Any]:
    def step(x: FloatArray, energy: Any, step_size: float, rng: np.random.Generator) -> FloatArray:
        y = x + np.sqrt(2 * step_size) * rng.standard_normal(x.shape)
        ratio = energy.potential(x) - energy.potential(y) + offset
        return np.where((np.log(rng.random(len(x))) < ratio)[:, None], y, x)

    return step


def _ula(noise: float = 1.0, drift: float = 1.0) -> Callable[..., Any]:
    def step(x: FloatArray, energy: Any, step_size: float, rng: np.random.Generator) -> FloatArray:
        xi = rng.standard_normal(x.shape)
        return np.asarray(
            x - drift * step_size * energy.gradient(x) + noise * np.sqrt(2 * step_size) * xi
        )

    return step


@dataclass(frozen=True, kw_only=True)
class Case:
    """A planted fault at one place."""

    name: str
    step: Callable[..., Any]
    target: ExactTarget
    step_size: float
    scheme: str = ""

    def trial(self) -> Trial:
        """The law that is asked of it there, fresh."""
        kernel = Kernel(self.step)
        kernel.examine(self.target, self.step_size)
        place = Place(target=self.target, step_size=self.step_size)
        known = scheme_of(self.scheme) if self.scheme else None
        subject = Subject(
            kernel=kernel,
            kind="unadjusted" if known else "adjusted",
            places=[place],
            scheme=known,
        )
        if known is None:
            return invariance.trial(subject, place, 1)
        return one_step_law.trial(subject, known, place)


def cases() -> tuple[Case, ...]:
    """Faults that take some thousand calls: what is found at once costs nothing either way."""
    plane = gaussian([[2.0, 0.6], [0.6, 1.0]], name="correlated normal")
    modes = mixture([[-1.5, 0.0], [1.5, 0.5]], 0.6, [0.3, 0.7], name="two modes")
    found = [
        ("MALA, ratio to the power 0.8", _mala(power=0.8), plane, 0.6, ""),
        ("MALA, noise 5 per cent off", _mala(noise=1.05), plane, 0.3, ""),
        ("MALA, ratio inverted", _mala(flip=-1.0), modes, 0.05, ""),
        ("random walk, ratio off by 0.1", _walk(0.1), modes, 0.5, ""),
        ("ULA, noise 3 per cent off", _ula(noise=1.03), plane, 0.2, "ula"),
        ("ULA, drift 10 per cent off", _ula(drift=1.1), modes, 0.1, "ula"),
    ]
    return tuple(
        Case(name=name, step=step, target=target, step_size=h, scheme=scheme)
        for name, step, target, h, scheme in found
    )


def _bets(case: Case, seed: int, least: int) -> tuple[int, FloatArray]:
    """Samples until the bets reject, and at least so many payoffs (n, m)."""
    trial, seen, stopped = case.trial(), [], 0
    while not stopped or trial.wealth.count < least:
        seen.append(trial.look(seed))
        if not stopped and trial.wealth.log_evidence >= -math.log(ALPHA):
            stopped = trial.wealth.count
    return stopped, np.concatenate(seen)


def _rejects(payoffs: FloatArray, sizes: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Whether the test of each fixed size rejects, shape (sizes,)."""
    z = -float(ndtri(ALPHA / 2 / payoffs.shape[1]))
    sums = np.cumsum(payoffs, axis=0)[sizes - 1]
    squares = np.cumsum(payoffs**2, axis=0)[sizes - 1]
    mean = sums / sizes[:, None]
    error = np.sqrt(np.maximum(squares / sizes[:, None] - mean**2, 1e-300) / sizes[:, None])
    return np.asarray((np.abs(mean) / error).max(axis=1) > z)


def _pilot(case: Case) -> int:
    """About the size that the fixed test needs, by the best payoff."""
    payoffs = case.trial().sample(np.random.default_rng(1), 400_000)
    effect = float(np.max(np.abs(payoffs.mean(axis=0)) / (payoffs.std(axis=0) + 1e-300)))
    z = -float(ndtri(ALPHA / 2 / payoffs.shape[1])) + float(ndtri(POWER))
    return int((z / effect) ** 2)


def _row(case: Case, runs: int) -> dict[str, Any]:
    about = _pilot(case)
    sizes = np.unique(np.geomspace(about / 4, 2 * about, int(math.log(8) / math.log(FINE)))).astype(
        int
    )
    found = [_bets(case, seed, int(sizes[-1])) for seed in range(runs)]
    share = np.mean([_rejects(payoffs, sizes) for _, payoffs in found], axis=0)
    fixed = int(sizes[int(np.argmax(share >= POWER))])
    stops = np.array([stop for stop, _ in found])
    calls = case.trial().calls
    return {
        "work": case.name,
        "payoffs": found[0][1].shape[1],
        "fixed size, calls": calls * fixed,
        "bets, median calls": calls * int(np.median(stops)),
        "bets, 0.95 quantile": calls * int(np.quantile(stops, POWER)),
        "ratio": float(np.median(stops)) / fixed,
    }


def measure(brief: bool) -> Table:
    """One row per fault, and the median of their ratios."""
    rows = [_row(case, 10 if brief else 100) for case in cases()]
    ratio = float(np.median([row["ratio"] for row in rows]))
    columns = [*rows[0], "median ratio", "goal"]
    rows.append({"work": "all of them", "median ratio": ratio, "goal": GOAL})
    return Table(
        columns=columns,
        rows=rows,
        notes=[f"alpha = {ALPHA:g}; the fixed size is the smallest with power {POWER:g}."],
    )
