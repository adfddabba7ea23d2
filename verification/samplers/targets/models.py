"""Any joint model as a target: parameters and data drawn together, a step that moves parameters.

(theta, y) ~ p(theta) p(y | theta) is an exact draw of the joint law, and theta is then an exact
draw of p(theta | y). A step that keeps p(theta | y) for every y keeps the joint law.

Source: Geweke, JASA 99 (2004) 799; Gandy and Scott, arXiv:2001.06465.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray
from lvebm_theory.callables import CallableEnergy
from lvebm_theory.errors import ArgumentError

from ..posterior import OfBoth, PosteriorEnergy
from .exact_target import ExactTarget
from .supports import SUPPORTS, Supports

_PILOTS = 2_000
_TRIED = 3


def from_model(
    draw_parameters: Callable[..., Any],
    draw_data: Callable[..., Any],
    log_joint: Callable[[Any, Any], Any],
    *,
    gradient: Callable[[Any, Any], Any] | None = None,
    supports: Sequence[str] | str = "real",
    length: float | None = None,
    name: str = "your model",
) -> ExactTarget:
    """The joint law of parameters and data, for a step that moves theta given y.

    Parameters
    ----------
    draw_parameters : callable (rng) -> theta (p,)
        From the prior; a number for p = 1. Discrete coordinates are numbers like others.
    draw_data : callable (theta, rng) -> y, of one shape
        From the likelihood.
    log_joint : callable (theta (p,), y) -> float
        log p(theta) + log p(y | theta), up to a constant in theta **and** y; -inf outside the
        support. It may take all chains at once, (n, p) and (n, ...): that is found out by trying.
    gradient : callable (theta, y) -> (p,), optional
        Of log p in theta. Without it the laws that need one are left out.
    supports : str or sequence of p of "real", "positive", "unit"
        "positive" and "unit" have the step move log theta or logit theta, with the Jacobian in the
        energy; the other functions still take theta itself. As they are ("real") steps see theta,
        and log_joint says -inf outside.
    length : float, optional
        The smallest scale of theta given y, in whose units step sizes are proposed; guessed as a
        tenth of the smallest standard deviation under the prior.
    name : str

    Returns
    -------
    ExactTarget
        To be named alone: ``check_sampler(step, targets=[from_model(...)])``. The step takes
        ``theta`` (or ``x``) and ``y``, one chain at a time unless ``vectorised=True``, and
        ``energy.potential(theta)`` is -log p(theta, y) for the y of that chain.

    Raises
    ------
    ArgumentError
        Draws that have no fixed shape, or a log_joint that returns no number at a draw.
    """
    rng = np.random.default_rng(0)

    def pair(rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        given = np.asarray(draw_parameters(rng), dtype=float)
        return np.atleast_1d(given), np.asarray(_data(draw_data, given, rng), dtype=float)

    theta, y = pair(rng)
    scalar = np.ndim(draw_parameters(np.random.default_rng(0))) == 0
    p, q, shape = theta.size, y.size, y.shape
    if theta.ndim != 1:
        raise ArgumentError(f"parameters are one axis, got shape {theta.shape}")
    kinds = (supports,) * p if isinstance(supports, str) else tuple(supports)
    if len(kinds) != p or not set(kinds) <= set(SUPPORTS):
        raise ArgumentError(f"supports are {p} of {', '.join(SUPPORTS)}, got {kinds}")
    mapped = Supports(kinds)

    def draw(rng: np.random.Generator, n: int) -> FloatArray:
        rows = np.empty((n, p + q))
        for i in range(n):
            theta, y = pair(rng)
            if theta.shape != (p,) or y.shape != shape:
                raise ArgumentError(
                    f"draws need one shape, {(p,)} and {shape}; got {theta.shape} and {y.shape}"
                )
            rows[i, :p], rows[i, p:] = theta, y.ravel()
        rows[:, :p] = mapped.free(rows[:, :p])
        return rows

    some = draw(rng, 64)
    of_both = _by_rows(log_joint, scalar, shape, some[:, :p], some[:, p:], mapped)

    def joint(free: FloatArray, y: FloatArray) -> FloatArray:
        with np.errstate(all="ignore"):
            value = of_both(mapped.bound(free), y) + mapped.log_jacobian(free)
        return np.asarray(-value)

    slope: OfBoth | None = None
    if gradient is not None:
        of_theta = _by_rows(gradient, scalar, shape, some[:, :p], some[:, p:], mapped, width=p)

        def slope_of(free: FloatArray, y: FloatArray) -> FloatArray:
            found = of_theta(mapped.bound(free), y).reshape(len(free), p)
            return np.asarray(-found * mapped.rate(free) - mapped.slope_of_jacobian(free))

        slope = slope_of
    found = joint(some[:, :p], some[:, p:])
    if not np.all(np.isfinite(found)):
        raise ArgumentError("log_joint is not a number at draws from the model itself")
    handed: Any = PosteriorEnergy(name=name, dim=p, shape=shape, joint=joint, slope=slope)
    spread = some[:, :p].std(axis=0)
    smallest = float(spread[spread > 0].min(initial=np.inf))
    guessed = 0.1 * smallest if np.isfinite(smallest) else 1.0
    return ExactTarget(
        name=name,
        energy=CallableEnergy(
            name=name,
            dim=p + q,
            potential_function=lambda x: joint(x[:, :p], x[:, p:]),
        ),
        draw=draw,
        handed=handed,
        length=guessed if length is None else length,
        lipschitz=False,
        data=q,
        pilots=_PILOTS,
    )


def _data(draw_data: Callable[..., Any], theta: FloatArray, rng: np.random.Generator) -> Any:
    """y given theta; whoever names the generator rng and puts it first is understood."""
    given = float(theta) if theta.ndim == 0 else theta
    try:
        first = next(iter(inspect.signature(draw_data).parameters), "")
    except (TypeError, ValueError):  # compiled callables may show no signature
        first = ""
    return draw_data(rng, given) if first == "rng" else draw_data(given, rng)


def _by_rows(
    function: Callable[[Any, Any], Any],
    scalar: bool,
    shape: tuple[int, ...],
    free: FloatArray,
    y: FloatArray,
    mapped: Supports,
    width: int = 0,
) -> OfBoth:
    """A function of (n, p) and (n, q), at once where the user's takes all rows, else row by row."""

    def one(theta: FloatArray, row: FloatArray) -> npt.ArrayLike:
        data = float(row[0]) if shape == () else row.reshape(shape)
        value: npt.ArrayLike = function(float(theta[0]) if scalar else theta, data)
        return value

    def singly(theta: FloatArray, y: FloatArray) -> FloatArray:
        return np.array([np.asarray(one(t, r), dtype=float) for t, r in zip(theta, y, strict=True)])

    def at_once(theta: FloatArray, y: FloatArray) -> FloatArray:
        given = theta[:, 0] if scalar else theta
        return np.asarray(function(given, y.reshape(len(y), *shape)), dtype=float)

    theta = mapped.bound(free[:_TRIED])
    expected = singly(theta, y[:_TRIED])
    if expected.size != _TRIED * max(width, 1):
        raise ArgumentError(
            f"{max(width, 1)} numbers were wanted for one theta and y, got shape "
            f"{expected.shape[1:]}"
        )
    try:
        found = at_once(theta, y[:_TRIED])
        alike = found.shape == expected.shape and np.allclose(found, expected, rtol=1e-9)
    except Exception:  # whatever a function of one chain raises when it is given many
        alike = False
    return at_once if alike else lambda t, r: singly(t, r).reshape(len(t), *expected.shape[1:])
