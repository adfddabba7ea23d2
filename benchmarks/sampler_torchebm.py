"""torchebm's Langevin integrators on N(0, 1): the stationary variance measured, against the exact
one of the rule that each documents, over step sizes; and the verdict of ``check_sampler``.

On N(0, 1) a step is x' = A x + noise of variance Q, so the stationary variance is Q/(1 - A^2):

    Euler-Maruyama   A = 1 - h,             Q = 2h            2/(2 - h)
    Heun             A = 1 - h + h^2/2,     Q = 2h            2h/(1 - A^2)
    backward Euler   A = 1/(1 + h),         Q = 2h/(1 + h)^2  2/(2 + h)

The last is the documented x' = x + f(x') h + sqrt(2) dW. Noise added after the implicit drift
instead has Q = 2h, hence (1 + h)^2 times that variance; the table shows both. The integrator solves
its implicit equation by 60 iterations, so that the solver's error is not what is seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .table import Table

TITLE = "torchebm's integrators on N(0, 1): stationary variance, measured against exact"
STEP_SIZES = (0.1, 0.2, 0.4, 0.8)
CHAINS = 100_000
CALLS = 200_000
WIDTH = 5.0  # standard errors: 12 numbers, less than one run in a hundred thousand beyond


def _after_heun(h: float) -> float:
    a = 1 - h + h * h / 2
    return 2 * h / (1 - a * a)


def _integrators() -> list[tuple[str, Any, Callable[[float], float], Any]]:
    """Name, integrator, documented variance at h, and the documented scheme."""
    import torch
    from torchebm.integrators import (
        BackwardEulerMaruyamaIntegrator,
        EulerMaruyamaIntegrator,
        HeunIntegrator,
    )

    from verification.samplers.adapters.torchebm_rules import BackwardEulerMaruyama, HeunThenNoise

    double = torch.float64
    return [
        ("EulerMaruyama", EulerMaruyamaIntegrator(dtype=double), lambda h: 2 / (2 - h), "ula"),
        ("Heun", HeunIntegrator(dtype=double), _after_heun, HeunThenNoise()),
        (
            "BackwardEulerMaruyama",
            BackwardEulerMaruyamaIntegrator(dtype=double, solver_max_iter=60),
            lambda h: 2 / (2 + h),
            BackwardEulerMaruyama(),
        ),
    ]


def stationary_variance(integrator: Any, h: float, chains: int, seed: int = 0) -> float:
    """Sample variance of independent chains after a time in which the start is forgotten."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(chains, 1, dtype=torch.float64, generator=generator)
    for _ in range(math.ceil(8 / h)):
        x = integrator.step(
            {"x": x}, h, drift=lambda y, t: -y, noise_scale=1.0, generator=generator
        )["x"]
    return float(x.var())


def measure(brief: bool) -> Table:
    """One row per integrator and step size."""
    from verification.samplers import check_sampler
    from verification.samplers.adapters import from_torchebm_integrator
    from verification.samplers.targets import gaussian

    chains = CHAINS // 20 if brief else CHAINS
    rows: list[dict[str, Any]] = []
    for name, integrator, documented, scheme in _integrators():
        step = from_torchebm_integrator(integrator)
        for h in STEP_SIZES[::2] if brief else STEP_SIZES:
            measured = stationary_variance(integrator, h, chains)
            half = WIDTH * measured * math.sqrt(2 / chains)
            report = check_sampler(
                step,
                kind="unadjusted",
                scheme=scheme,
                calls=CALLS,
                targets=[gaussian(1.0, name="standard normal")],
                step_sizes=[h],
            )
            exact = documented(h)
            rows.append(
                {
                    "integrator": name,
                    "step size": h,
                    "documented": f"{exact:.4f}",
                    "measured": f"{measured:.4f} +- {half:.4f}",
                    "agrees": "yes" if abs(measured - exact) <= half else "no",
                    "noise after drift": f"{2 * (1 + h) ** 2 / (2 + h):.4f}"
                    if name.startswith("Backward")
                    else None,
                    "verdict": report.verdict.value,
                    "chain steps": report.calls,
                }
            )
    return Table(
        columns=list(rows[0]),
        rows=rows,
        notes=(
            f"{chains} independent chains each, half-widths of {WIDTH:g} standard errors.",
            "'documented' is the variance of the rule in the integrator's docstring, 'noise after "
            "drift' that of the rule which the base class carries out.",
        ),
        peers=("torchebm",),
        details={
            "seed": 0,
            "check": f"alpha 1e-6, at most {CALLS} calls each",
            "numpy": np.__version__,
        },
    )
