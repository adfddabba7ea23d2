"""BlackJAX: its sampling algorithms, one chain at a time; JAX maps them over many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Step = Callable[..., Any]
LogDensity = Callable[[Any], Any]


def from_blackjax(make: Callable[[LogDensity, Any, int], Any]) -> Step:
    """A step of a BlackJAX algorithm.

    Parameters
    ----------
    make : callable (log_density, step_size, dim) -> SamplingAlgorithm
        For example ``lambda f, h, d: blackjax.hmc(f, h, jnp.ones(d), 10)``. ``log_density`` maps a
        position (d,) to a number.

    Returns
    -------
    step(x, energy, step_size, key), x of shape (d,)
    """

    def step(x: Any, energy: Any, step_size: Any, key: Any) -> Any:
        algorithm = make(energy.log_density, step_size, energy.dim)
        state, _ = algorithm.step(key, algorithm.init(_one(x)))
        return state.position

    return step


def from_blackjax_sgld(make: Callable[[Callable[[Any, Any], Any]], Any]) -> Step:
    """A step of a BlackJAX stochastic gradient algorithm that is given the whole gradient.

    Parameters
    ----------
    make : callable (gradient_estimator) -> SamplingAlgorithm
        For example ``blackjax.sgld``; the estimator maps a position and a minibatch, which is
        None here, to the gradient of the log-density.

    Returns
    -------
    step(x, energy, step_size, key), x of shape (d,): an Euler-Maruyama step, so scheme="ula"
    """

    def step(x: Any, energy: Any, step_size: Any, key: Any) -> Any:
        algorithm = make(lambda position, minibatch: -energy.gradient(position))
        return algorithm.step(key, _one(x), None, step_size)

    return step


def _one(x: Any) -> Any:
    """A position of one chain; whole chains would pass for a position with n coordinates."""
    if x.ndim != 1:
        raise TypeError("BlackJAX steps one chain at a time")
    return x
