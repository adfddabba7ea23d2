"""What the sweep runs: systems, methods with their settings, seeds, and sizes of the data."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lvebm_theory.errors import ArgumentError

LAYOUT = 1  # of what is stored per run; a change asks for every run again

SYSTEMS = ("mueller_brown", "van_der_pol", "lorenz", "double_pendulum", "ring_mixture")
METHODS = ("latent_energy", "contrastive", "variational", "particles")


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much data, and how much is measured.

    Parameters
    ----------
    train : int
        Data that a method sees.
    sample : int
        n of the sliced distance of two samples of n.
    blocks : int
        Pairs of samples that it is averaged over.
    likelihood : int
        Held-out data whose log-likelihood is taken.
    masked : int
        Held-out data with missing coordinates.
    draws : int
        Reconstructions of each.
    seconds : float
        Of processor time; a fit that would take more is stopped and reported as cut short.
    """

    train: int = 10_000
    sample: int = 2_000
    blocks: int = 5
    likelihood: int = 1_000
    masked: int = 250
    draws: int = 16
    seconds: float = 180.0


@dataclass(frozen=True, kw_only=True)
class Run:
    """One cell of the sweep.

    Parameters
    ----------
    system, method : str
    seed : int
        Of the training data and of the method.
    updates : int
    options : mapping
        Settings of the method that differ from its defaults.
    sizes : Sizes
    """

    system: str
    method: str
    seed: int
    updates: int
    options: Mapping[str, Any] = field(default_factory=dict)
    sizes: Sizes = field(default_factory=Sizes)

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ArgumentError(f"a method is one of {', '.join(METHODS)}, got {self.method!r}")
        if self.system not in SYSTEMS:
            raise ArgumentError(f"a system is one of {', '.join(SYSTEMS)}, got {self.system!r}")
        if self.updates < 1 or self.seed < 0:
            raise ArgumentError(f"a run needs updates >= 1 and seed >= 0, got {self}")

    @property
    def name(self) -> str:
        """Of its file."""
        return f"{self.system}-{self.method}-{self.seed}"

    @property
    def digest(self) -> str:
        """Identity of everything that decides the result, code aside."""
        body = {**dataclasses.asdict(self), "options": dict(self.options), "layout": LAYOUT}
        return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


#: Langevin steps of the energy without latents: a tenth of the finest structure squared, which
#: unadjusted steps need to leave the law nearly as it is; longer steps where the law is smoother
STEPS = {
    "mueller_brown": 0.005,
    "van_der_pol": 0.005,
    "lorenz": 0.004,
    "double_pendulum": 0.004,
    "ring_mixture": 0.01,
}
#: updates by method: 60 to 80 seconds on one core each
UPDATES = {
    "latent_energy": 6000,
    "contrastive": 6000,
    "variational": 20_000,
    "particles": 8000,
}


def settings_for(method: str, system: str) -> tuple[int, dict[str, Any]]:
    """Updates and options of a method on a system; those of LV-EBM are its defaults.

    They were chosen on validation rows (``benchmarks/validation.py``).
    """
    options: dict[str, dict[str, Any]] = {
        "latent_energy": {},
        "contrastive": {"step_size": STEPS[system], "rate": 3e-3},
        "variational": {},
        # large batches: each latent is then visited often enough to find its place
        "particles": {"particles": 1, "batch": 1000},
    }
    return UPDATES[method], options[method]


def full_plan(seeds: int = 5, sizes: Sizes | None = None) -> tuple[Run, ...]:
    """Every run; the first seed of every cell comes first, so that a killed sweep is a table."""
    how = sizes or Sizes()
    runs = []
    for seed in range(seeds):
        for system in SYSTEMS:
            for method in METHODS:
                updates, options = settings_for(method, system)
                runs.append(
                    Run(
                        system=system,
                        method=method,
                        seed=seed,
                        updates=updates,
                        options=options,
                        sizes=how,
                    )
                )
    return tuple(runs)


def brief_plan() -> tuple[Run, ...]:
    """One seed of every method on the mixture, with budgets of a second: for trying it out."""
    sizes = Sizes(train=1000, sample=300, blocks=3, likelihood=100, masked=40, draws=8)
    return tuple(
        Run(system="ring_mixture", method=method, seed=0, updates=40, options={}, sizes=sizes)
        for method in METHODS
    )


#: coordinates that are observed where others are to be filled in
OBSERVED: dict[str, tuple[bool, ...]] = {
    "mueller_brown": (True, False),
    "van_der_pol": (True, False),
    "lorenz": (True, False, False),
    "double_pendulum": (True, False),
    "ring_mixture": (True, False),
}
