"""Updates per second of a learner with a 64-64 neural energy, against the same loop elsewhere."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from solvers.learning.problem import learning_problem
from solvers.learning.rates import TorchOptimizer
from solvers.learning.settings import LearningSettings
from solvers.learning.train import make_engine
from solvers.noise import Noise

from .interleaved import medians
from .table import Table
from .targets import RATIO
from .trainer_peers import TRAINERS, Problem

TITLE = "Training a 64-64 neural energy: updates per second on 10^4 particles in either phase"
TARGETS = RATIO
GOAL = 0.95


def ours(problem: Problem, threads: int | None = None) -> Callable[[int], Any]:
    """The library's engine on this problem: the compiled loops in float32, Adam on theta."""
    settings = LearningSettings(
        latents=1,
        pool=problem.pool,
        latent_step=problem.latent_step,
        pool_step=problem.pool_step,
        inner_steps=problem.inner_steps,
        rate=TorchOptimizer("Adam", {"lr": problem.learning_rate}),
    )
    task = learning_problem(problem.energy, problem.points, settings, Noise(0))
    engine = make_engine(task, "numba", "float32", "cpu", threads)
    z, w = problem.start
    state = task.start(z[:, None, :], w)
    engine.begin(state)
    made = 0

    def advance(updates: int) -> Any:
        nonlocal made
        made += updates
        return engine.advance(made, 1 << 40)

    return advance


def measure(brief: bool) -> Table:
    """One row per number of inner steps; goal 0.95 of the fastest peer in the same run."""
    particles, repeats = (1000, 3) if brief else (10_000, 7)
    rows: list[dict[str, Any]] = []
    left_out: dict[str, str] = {}
    for inner in (1, 10):
        problem = Problem(data=particles, pool=particles, inner_steps=inner)
        updates = max(1, 20 // inner)
        runs = {"ours": ours(problem)}
        for name, make in TRAINERS.items():
            try:
                runs[name] = make(problem)
                runs[name](1)
            except Exception as failure:  # a peer that cannot run here is named, not hidden
                runs.pop(name, None)
                left_out[name] = f"{type(failure).__name__}: {str(failure).splitlines()[0][:120]}"
        calls = {name: functools.partial(run, updates) for name, run in runs.items()}
        seconds = medians(calls, repeats)
        rates = {name: updates / s for name, s in seconds.items()}
        peers = {name: rate for name, rate in rates.items() if name != "ours"}
        best = max(peers, key=peers.__getitem__, default=None)
        rows.append(
            {
                "inner steps": inner,
                **rates,
                "peer": best,
                "ratio": rates["ours"] / peers[best] if best else None,
                "goal": GOAL,
            }
        )
    columns = dict.fromkeys(key for row in rows for key in row)
    return Table(
        columns=list(columns),
        rows=rows,
        notes=[
            f"{particles} data of dimension 3 with one latent coordinate each, all in every "
            f"update, and a pool of {particles} joint particles of dimension 4; float32, all "
            "cores, medians of interleaved runs.",
            "An update: so many Langevin steps of the latents and of the pool, both averages of "
            "the parameter gradient, a step of Adam; ours also projects the weights onto their "
            "spectral caps, and draws noise that does not depend on threads or order.",
            *(f"Not measured: {name} ({why})." for name, why in left_out.items()),
        ],
        peers=["torch", "jax", "jaxlib"],
    )
