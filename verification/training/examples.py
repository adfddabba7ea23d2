"""Built-in runs: two whose answer is known, in seconds, and the five systems of the experiments."""

from __future__ import annotations

from typing import Any

from lvebm_theory.errors import ArgumentError

from ..discovery import nearest
from .config import Config, config_of

# points of variance 4 under E = a x^2/2 - b x z + z^2/2 with b = 1/2: the best a is b^2 + 1/4 = 1/2
GAUSSIAN: dict[str, Any] = {
    "name": "gaussian",
    "model": {
        "energy": "linear_gaussian_undirected",
        "parameters": {"a": 1.5, "b": 0.5},
        "best": {"a": 0.5},
    },
    "data": {"law": "normal(0, 2)", "n": 2000},
    "training": {
        "updates": 4000,
        "latents": 2,
        "pool": 4000,
        "latent_step": 0.05,
        "pool_step": 0.05,
        "rate": {"kind": "robbins-monro", "value": 0.02, "offset": 500.0, "power": 0.7},
        "learned": ["a"],
        "projection": {"kind": "box", "lower": {"a": 0.27}},
    },
    "evaluation": {"likelihood": True},
}

# a posterior with two modes, from the model at t = 1.2: the learner finds t again, up to its sign
BIMODAL: dict[str, Any] = {
    "name": "bimodal",
    "model": {"energy": "bimodal_posterior", "parameters": {"t": 0.5, "b": 1.0, "noise": 0.25}},
    "data": {"truth": {"t": 1.2}, "n": 2000},
    "training": {
        "updates": 3000,
        "latents": 4,
        "pool": 4000,
        "latent_step": 0.02,
        "pool_step": 0.02,
        "rate": {"kind": "robbins-monro", "value": 0.02, "offset": 500.0, "power": 0.7},
        "learned": ["t"],
    },
    "evaluation": {"likelihood": True},
}

OWN = {"gaussian": GAUSSIAN, "bimodal": BIMODAL}
# what the command line calls a system, and its name in solvers/learning/systems
SYSTEMS = {
    "lorenz": "lorenz",
    "mueller-brown": "mueller_brown",
    "van-der-pol": "van_der_pol",
    "double-pendulum": "double_pendulum",
    "ring": "ring_mixture",
}


# the pool lags behind theta: draws of the model need some time of their own
SAMPLING_STEPS = 500


def names() -> tuple[str, ...]:
    """Every example."""
    return (*OWN, *SYSTEMS)


def example_config(name: str) -> Config:
    """The configuration of an example; raises ArgumentError for an unknown name."""
    if name in OWN:
        return config_of(OWN[name])
    if name in SYSTEMS:
        return config_of(_system(name, SYSTEMS[name]))
    raise ArgumentError(
        f"--example is one of {', '.join(names())}, got {name!r}{nearest(name, names())}"
    )


def _system(name: str, system: str) -> dict[str, Any]:
    """A system with the settings of its example in the solvers."""
    from solvers.learning.examples import example_named

    from ..experiments.plan import OBSERVED

    example = example_named(system)
    missing = [i for i, seen in enumerate(OBSERVED[system]) if not seen]
    return {
        "name": name,
        "model": {
            "neural": {
                "dim_z": example.dim_z,
                "widths": list(example.widths),
                "activation": example.activation,
                "confinement": example.confinement,
                "spectral_caps": list(example.spectral_caps),
            }
        },
        "data": {"system": system, "n": example.data},
        "training": {
            "updates": example.updates,
            "latents": example.latents,
            "pool": example.pool,
            "batch": example.batch,
            "inner_steps": example.inner_steps,
            "latent_step": example.latent_step,
            "pool_step": example.pool_step,
            "rate": {"kind": "Adam", "value": example.learning_rate, "halving": example.halving},
            "averaging": example.averaging,
            "dtype": example.dtype,
        },
        "evaluation": {"missing": missing, "sampling_steps": SAMPLING_STEPS},
    }
