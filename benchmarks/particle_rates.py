"""Particle-steps per second of the engine beside its peers, for the rows of the table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lvebm_theory.energies.double_well import double_well
from lvebm_theory.energies.gaussian_mixture import gaussian_mixture
from lvebm_theory.energies.quadratic import quadratic
from solvers.noise import Noise
from solvers.noise.backends import Bits, Real
from solvers.particles import Scheme, ula
from solvers.particles.numba_engine import NumbaEngine

from .interleaved import medians
from .particle_libraries import DISTRIBUTIONS, LIBRARIES
from .particle_peers import ULA_PEERS, Problem
from .table import Table
from .targets import ratio_goal

SLOW_TO_START = ("torch compiled",)
#: type of the state, bits of the noise
PRECISIONS: tuple[tuple[Real, Bits], ...] = (("float32", 32), ("float64", 53), ("float64", 32))


def well(particles: int = 10**6) -> Problem:
    """P1: double well, d = 1."""
    return Problem("P1 double well", double_well(b=1.0), "double well", particles)


def mixture(dim: int, particles: int = 10**5) -> Problem:
    """P2: 8 Gaussians."""
    means = 2 * np.random.default_rng(1).normal(size=(8, dim))
    energy = gaussian_mixture(means=means, sds=0.8, weights=0.125)
    return Problem(f"P2 8 modes, d={dim}", energy, "mixture", particles)


def bowl(dense: bool, dim: int = 100, particles: int = 10**4) -> Problem:
    """P3: quadratic, d = 100."""
    a = np.random.default_rng(2).normal(size=(dim, dim)) / np.sqrt(4 * dim)
    precision = np.eye(dim) + a @ a.T if dense else np.diag(np.linspace(0.5, 2.0, dim))
    kind = "dense" if dense else "diagonal"
    return Problem(f"P3 d={dim} {kind}", quadratic(precision=precision), kind, particles)  # type: ignore[arg-type]


def ours(problem: Problem, dtype: Real, bits: Bits, scheme: Scheme = ula) -> Callable[[int], Any]:
    """The engine's loop on all cores, going on from call to call."""
    engine = NumbaEngine(
        problem.energy,
        scheme,
        noise=Noise(1, bits=bits),
        step_size=problem.step_size,
        dtype=dtype,
    )
    ensemble = engine.begin(problem.start, np.arange(problem.particles))
    done = 0

    def advance(steps: int) -> Any:
        nonlocal done
        engine.advance(ensemble, done, done + steps)
        done += steps

    return advance


@dataclass(frozen=True)
class Goal:
    """Least ratio to the best peer, for each of ``PRECISIONS``."""

    ratios: tuple[float, float, float]


def against_peers(
    problems: Sequence[tuple[Problem, Goal]], *, steps: int, peer_steps: int, brief: bool
) -> Table:
    """One row per problem and precision: our rate, every peer's, the ratio to the best."""
    rows: list[dict[str, Any]] = []
    absent: dict[str, str] = {}
    for problem, goal in problems:
        for (dtype, bits), least in zip(PRECISIONS, goal.ratios, strict=True):
            runs: dict[str, Callable[[], Any]] = {}
            advance = ours(problem, dtype, bits)
            runs["ours"] = lambda advance=advance: advance(steps)  # type: ignore[misc]
            for name, make in (ULA_PEERS | LIBRARIES).items():
                if brief and name in SLOW_TO_START:
                    absent[name] = "it compiles for longer than a brief run lasts"
                    continue
                try:
                    peer = make(problem, dtype)
                except Exception as reason:  # whatever another tool may raise
                    absent[name] = f"{type(reason).__name__}: {reason}".splitlines()[0]
                    continue
                if peer is not None:
                    runs[name] = lambda peer=peer: peer(peer_steps)  # type: ignore[misc]
            seconds = medians(runs, 3 if brief else 7)
            rates = {
                name: problem.particles * (steps if name == "ours" else peer_steps) / s / 1e6
                for name, s in seconds.items()
            }
            best = max((n for n in rates if n != "ours"), key=rates.__getitem__)
            rows.append(
                {
                    "work": problem.name,
                    "state": dtype,
                    "noise": f"{bits} bits",
                    **rates,
                    "best peer": best,
                    "ratio": rates["ours"] / rates[best],
                    "goal": ratio_goal(least),
                }
            )
            print(f"  {rows[-1]}", flush=True)
    names = dict.fromkeys(name for row in rows for name in row)
    tail = ("best peer", "ratio", "goal")
    notes = ["Million particle-steps per second; medians of interleaved runs, all cores."]
    notes += [f"{name} was not measured: {reason}." for name, reason in absent.items()]
    return Table(
        columns=[*(n for n in names if n not in tail), *tail],
        rows=rows,
        notes=notes,
        peers=("jax", "jaxlib", *DISTRIBUTIONS),
    )
