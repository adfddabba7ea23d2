"""Targets from targets: moved, scaled, rotated, multiplied, and given momenta."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError
from lvebm_theory.protocols import Energy

from ..portable import Arrays, PortableEnergy, portable
from .exact_target import ExactTarget


def formulas(energy: Energy) -> PortableEnergy:
    """The energy with formulas in shared words; one that has none speaks numpy only."""
    if isinstance(energy, PortableEnergy):
        return energy

    def numpy_only(xp: Arrays) -> None:
        if xp.backend != "numpy":
            raise ArgumentError(f"{energy.name} is known to numpy only, {xp.backend} was asked")

    def formula(xp: Arrays, x: Any) -> Any:
        numpy_only(xp)
        return energy.potential(x)

    def slope(xp: Arrays, x: Any) -> Any:
        numpy_only(xp)
        return energy.gradient(x)

    return portable(
        name=energy.name, dim=energy.dim, formula=formula, slope=slope, smooth=energy.smooth
    )


def moved(
    target: ExactTarget,
    *,
    shift: npt.ArrayLike = 0.0,
    scale: float = 1.0,
    rotation: npt.ArrayLike | None = None,
    constant: float = 0.0,
    name: str | None = None,
) -> ExactTarget:
    """The law of b + s R x for x from the target; ``constant`` is added to U.

    Raises
    ------
    ArgumentError
        A scale that is not positive, a matrix that is not orthogonal.
    """
    d = target.dim
    r = np.eye(d) if rotation is None else np.asarray(rotation, dtype=float)
    if r.shape != (d, d) or not np.allclose(r @ r.T, np.eye(d), atol=1e-12):
        raise ArgumentError(f"a rotation is an orthogonal ({d}, {d}) matrix, got {r}")
    if not scale > 0:
        raise ArgumentError(f"a scale must be > 0, got {scale}")
    b = np.broadcast_to(np.asarray(shift, dtype=float), (d,)).copy()
    inner = formulas(target.energy if target.base is not None else target.for_step)
    # products with the identity would only round
    turned = rotation is not None

    def back(xp: Arrays, x: Any) -> Any:
        y = (x - xp.constant(b, x)) / scale
        return y @ xp.constant(r, x) if turned else y

    def formula(xp: Arrays, x: Any) -> Any:
        return inner.formula(xp, back(xp, x)) + constant

    def slope(xp: Arrays, x: Any) -> Any:
        g = inner.slope(xp, back(xp, x))
        return (g @ xp.constant(r.T, x) if turned else g) / scale

    def draw(rng: np.random.Generator, n: int) -> FloatArray:
        x = target.draw(rng, n)
        return np.asarray(b + scale * (x @ r.T if turned else x))

    precision, mean = target.precision, target.mean
    if precision is not None and mean is not None:
        precision, mean = r @ precision @ r.T / scale**2, b + scale * r @ mean
    curvature = inner.hessian_function
    label = name or f"{target.name}, moved"
    return replace(
        target,
        formula=None,
        handed=None,
        name=label,
        energy=portable(
            name=label,
            dim=d,
            formula=formula,
            slope=slope,
            smooth=inner.smooth,
            curvature=None
            if curvature is None
            else lambda x: r @ curvature(back(Arrays("numpy", np), x)) @ r.T / scale**2,
        ),
        draw=draw,
        precision=precision,
        mean=mean,
        length=scale * target.length,
        spread=max(target.spread, float(np.max(np.abs(b))) / scale),
    )


def product(targets: Sequence[ExactTarget], name: str | None = None) -> ExactTarget:
    """Independent blocks of coordinates.

    Raises
    ------
    ArgumentError
        For no target at all.
    """
    if not targets:
        raise ArgumentError("a product needs at least one target")
    parts = [formulas(t.energy) for t in targets]
    ends = np.cumsum([p.dim for p in parts])
    blocks = [slice(int(e - p.dim), int(e)) for p, e in zip(parts, ends, strict=True)]

    def formula(xp: Arrays, x: Any) -> Any:
        return sum(p.formula(xp, x[:, b]) for p, b in zip(parts, blocks, strict=True))

    def slope(xp: Arrays, x: Any) -> Any:
        rows = [p.slope(xp, x[:, b]) for p, b in zip(parts, blocks, strict=True)]
        return xp.concatenate(rows, -1)

    def draw(rng: np.random.Generator, n: int) -> FloatArray:
        return np.concatenate([t.draw(rng, n) for t in targets], axis=1)

    precision = mean = None
    if all(t.gaussian for t in targets):
        d = int(ends[-1])
        precision, mean = np.zeros((d, d)), np.zeros(d)
        for t, b in zip(targets, blocks, strict=True):
            precision[b, b], mean[b] = t.precision, t.mean
    label = name or " x ".join(t.name for t in targets)
    return ExactTarget(
        name=label,
        energy=portable(
            name=label,
            dim=int(ends[-1]),
            formula=formula,
            slope=slope,
            smooth=all(p.smooth for p in parts),
        ),
        draw=draw,
        precision=precision,
        mean=mean,
        length=min(t.length for t in targets),
        lipschitz=all(t.lipschitz for t in targets),
        error=sum(t.error for t in targets),
        spread=max(t.spread for t in targets),
    )


@lru_cache(maxsize=64)
def with_momenta(target: ExactTarget) -> ExactTarget:
    """pi x N(0, I) on phase space (q, p), unit mass; a step is still given U(q)."""
    from .gaussians import gaussian

    momenta = gaussian(np.eye(target.dim))
    whole = product([target, momenta], name=f"{target.name} with momenta")
    return replace(whole, handed=target.for_step, length=target.length, base=target)
