r"""A user's learner: coupled updates of parameters, latents and a pool, as its law calls them.

    z_ik  <- z_ik - h grad_z E(x_i, z_ik) + sqrt(2h) xi
    w_j   <- w_j - h grad E(w_j) + sqrt(2h) xi,                 w = (x, z)
    theta <- theta + a [ mean_j grad_theta E(w_j) - mean_ik grad_theta E(x_i, z_ik) ]

with the new particles (sequential) or the old ones (simultaneous) in the last line.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError, LvebmError

from .kernel import StepError, told
from .learning_model import LearningModel
from .meter import Meter

LEARNER_WORDS = ("theta", "latents", "pool", "data", "energy", "step_size", "rate", "rng")
ORDERS = ("sequential", "simultaneous")


@dataclass
class State:
    """theta (p,), latents (n, K, dim_z), pool (M, dim_x + dim_z)."""

    theta: FloatArray
    latents: FloatArray
    pool: FloatArray


@dataclass
class Learner:
    """A step of a learner.

    Parameters
    ----------
    step : callable
        ``step(theta, latents, pool, data, energy, step_size, rate, rng)`` -> (theta', latents',
        pool'); any subset of these words, theta, latents and pool among them.
    """

    step: Callable[..., Any]
    meter: Meter = field(default_factory=Meter)
    names: tuple[str, ...] = field(init=False)
    note: str = field(init=False, default="")
    walkers: None = field(init=False, default=None)
    rounding: float = field(init=False, default=float(np.finfo(np.float64).eps))

    def __post_init__(self) -> None:
        if not callable(self.step):
            raise ArgumentError(f"a learner is a callable step(theta, ...), got {self.step!r}")
        found = inspect.signature(self.step).parameters.values()
        names = [
            p.name
            for p in found
            if p.name in LEARNER_WORDS
            or (p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD))
        ]
        unknown = [name for name in names if name not in LEARNER_WORDS]
        if unknown or not {"theta", "latents", "pool"} <= set(names):
            raise ArgumentError(
                f"a learner takes arguments named {', '.join(LEARNER_WORDS)}, theta, latents and "
                f"pool among them; got {', '.join(names)}"
            )
        self.names = tuple(names)

    @property
    def calls(self) -> int:
        """Updates so far."""
        return self.meter.steps

    def advance(
        self,
        state: State,
        data: FloatArray,
        model: LearningModel,
        step_size: float,
        rate: float,
        rng: np.random.Generator,
    ) -> State:
        """The state after one update.

        Raises
        ------
        ArgumentError
            When shapes are not kept.
        StepError
            When the step raises, with its own traceback.
        """
        self.meter.count(1)
        given = {
            "theta": state.theta.copy(),
            "latents": state.latents.copy(),
            "pool": state.pool.copy(),
            "data": data.copy(),
            "energy": model,
            "step_size": step_size,
            "rate": rate,
            "rng": rng,
        }
        try:
            result = self.step(**{name: given[name] for name in self.names})
        except LvebmError:
            raise
        except Exception as error:  # a fault of the step, told as such
            raise StepError(
                f"the learner raised on the {model.name} model\n{told(error)}"
            ) from error
        if not isinstance(result, tuple) or len(result) < 3:
            came = f"{len(result)} values" if isinstance(result, tuple) else type(result).__name__
            raise ArgumentError(f"a learner returns (theta', latents', pool'), got {came}")
        after = [np.asarray(part, dtype=np.float64) for part in result[:3]]
        before = (state.theta, state.latents, state.pool)
        for name, new, old in zip(("theta", "latents", "pool"), after, before, strict=True):
            if new.shape != old.shape:
                raise ArgumentError(
                    f"a learner keeps shapes: {name} of shape {old.shape} came back as {new.shape}"
                )
        return State(*after)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What an update must have used, if the law is right.

    Parameters
    ----------
    noise : array (n K dim_z + M (dim_x + dim_z),), standard normals: latents first, then the pool
    force : array of the same shape, the gradients that pushed them
    latents : int
        How many of the noises belong to latents.
    tie : array (p,), what theta' differs from its rule by
    push : array (p,), the rule's own change of theta
    """

    noise: FloatArray
    force: FloatArray
    latents: int
    tie: FloatArray
    push: FloatArray


def rows(data: FloatArray, latents: FloatArray) -> FloatArray:
    """Pairs (x_i, z_ik), shape (n K, dim_x + dim_z)."""
    n, k, dim_z = latents.shape
    return np.concatenate([np.repeat(data, k, axis=0), latents.reshape(n * k, dim_z)], axis=1)


def read(
    before: State,
    after: State,
    data: FloatArray,
    model: LearningModel,
    h: float,
    rate: float,
    order: str,
) -> Reading:
    """Reads the noise and the change of theta back from one update."""
    own = model.gradient(before.theta, rows(data, before.latents))[:, model.dim_x :]
    shape = before.latents.shape
    latent_force = own.reshape(shape)
    pool_force = model.gradient(before.theta, before.pool)
    parts = (
        (after.latents - before.latents + h * latent_force).ravel(),
        (after.pool - before.pool + h * pool_force).ravel(),
    )
    used = after if order == "sequential" else before
    push = rate * (
        model.parameter_gradient(before.theta, used.pool).mean(axis=0)
        - model.parameter_gradient(before.theta, rows(data, used.latents)).mean(axis=0)
    )
    return Reading(
        noise=np.concatenate(parts) / np.sqrt(2 * h),
        force=np.concatenate([latent_force.ravel(), pool_force.ravel()]),
        latents=int(np.prod(shape)),
        tie=after.theta - before.theta - push,
        push=push,
    )
