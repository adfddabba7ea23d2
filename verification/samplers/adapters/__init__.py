"""Samplers of other packages as steps that ``check_sampler`` takes; a few lines each.

from verification.samplers import check_sampler
from verification.samplers.adapters import from_blackjax

step = from_blackjax(lambda log_density, step_size, dim: blackjax.mala(log_density, step_size))
report = check_sampler(step, kind="adjusted", reversible=True)

Each takes a function that makes the package's own object from a target and a step size, so that
nothing of the package is hidden. The packages are the optional extra ``samplers``; a plain callable
needs no adapter.
"""

from __future__ import annotations

import importlib
from typing import Any

_WHERE = {
    "from_blackjax": "blackjax",
    "from_blackjax_sgld": "blackjax",
    "from_emcee": "emcee",
    "from_mici": "mici",
    "from_numpyro": "numpyro",
    "from_torchebm_integrator": "torchebm",
    "from_torchebm_sampler": "torchebm",
}

__all__ = sorted(_WHERE)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_WHERE[name]}", __name__), name)
