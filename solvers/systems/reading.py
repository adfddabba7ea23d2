"""Coefficients of an affine step by evaluating it, and the checks that it is one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from lvebm_theory.arrays import FloatArray
from lvebm_theory.errors import ArgumentError

from .layout import Layout, State

_TOLERANCE = 1e-10  # of the largest number that takes part
_SCALES = (0.1, 1.0, 10.0, 100.0)
_ROWS = 2**22  # numbers of a batch of unit vectors
Step = Callable[[Any, Any], Mapping[str, Any]]


class Affine(NamedTuple):
    """s+ = A s + b + B xi."""

    A: FloatArray
    b: FloatArray
    B: FloatArray


def read_affine(step: Step, state: Layout, noise: Layout) -> Affine:
    """A (n, n), b (n,) and B (n, e) of a step whose leading axes broadcast.

    Raises
    ------
    ArgumentError
        When the step is not affine, or rows of a batch are not independent of each other.
    """

    def run(s: FloatArray, xi: FloatArray) -> FloatArray:
        with np.errstate(all="ignore"):  # what is not finite is refused below
            after = step(state.unpack(s), noise.unpack(xi))
        found = state.pack(after)
        if found.shape != s.shape:
            raise ArgumentError(
                f"a step needs to return blocks with the leading axes {s.shape[:-1]} of its "
                f"state, got {found.shape[:-1]}"
            )
        return found

    n, e = state.size, noise.size
    b = run(np.zeros(n), np.zeros(e))
    if not np.all(np.isfinite(b)):
        raise ArgumentError("the step is not finite at the origin")
    A = np.concatenate([run(u, np.zeros((len(u), e))) for u in _unit_vectors(n)]) - b
    B = np.zeros((0, n))
    if e:
        B = np.concatenate([run(np.zeros((len(u), n)), u) for u in _unit_vectors(e)]) - b
    found = Affine(A.T, b, B.T)
    _check(run, found, state, noise)
    return found


def _unit_vectors(n: int) -> Iterator[FloatArray]:
    rows = max(1, _ROWS // max(1, n))
    for first in range(0, n, rows):
        here = np.zeros((min(rows, n - first), n))
        here[np.arange(len(here)), first + np.arange(len(here))] = 1.0
        yield here


def _check(
    run: Callable[[FloatArray, FloatArray], FloatArray],
    found: Affine,
    state: Layout,
    noise: Layout,
) -> None:
    rng = np.random.default_rng(0)
    points = [
        (scale * rng.standard_normal(state.size), scale * rng.standard_normal(noise.size))
        for scale in _SCALES
    ]
    for s, xi in points:
        if _wrong_blocks(run(s, xi), found, s, xi, state):
            raise ArgumentError(_reason(run, found, points, state, noise))
    together = run(np.stack([s for s, _ in points]), np.stack([xi for _, xi in points]))
    if any(_wrong_blocks(t, found, *p, state) for t, p in zip(together, points, strict=True)):
        raise ArgumentError("the leading axes of a step's state need to stay apart; they mix")


def _wrong_blocks(
    value: FloatArray, found: Affine, s: FloatArray, xi: FloatArray, state: Layout
) -> list[str]:
    """Blocks where the step differs from its affine reading."""
    error = np.abs(value - (found.A @ s + found.b + found.B @ xi))
    size = np.abs(found.A) @ np.abs(s) + np.abs(found.b) + np.abs(found.B) @ np.abs(xi)
    limit = _TOLERANCE * max(float(size.max(initial=0.0)), float(np.abs(s).max(initial=0.0)))
    wrong = ~(error <= limit)  # what is not a number is wrong too
    return [name for name in state.names if wrong[state.at(name)].any()]


def _reason(
    run: Callable[[FloatArray, FloatArray], FloatArray],
    found: Affine,
    points: list[tuple[FloatArray, FloatArray]],
    state: Layout,
    noise: Layout,
) -> str:
    """Which blocks of the step are not affine in what."""
    blocks, causes = set(), []
    for s, xi in points:
        blocks.update(_wrong_blocks(run(s, xi), found, s, xi, state))
    for layout, kind in ((state, ""), (noise, "the noise of ")):
        for name in layout.names:
            for point in points:
                alone = (0.0 * point[0], 0.0 * point[1])
                of = 0 if layout is state else 1
                alone[of][layout.at(name)] = point[of][layout.at(name)]
                if _wrong_blocks(run(*alone), found, alone[0], alone[1], state):
                    causes.append(f"{kind}{name!r}")
                    break
    cause = f"in {', '.join(causes)}" if causes else "in several blocks together (a product)"
    return (
        f"the step of {', '.join(repr(name) for name in state.names if name in blocks)} is not "
        f"affine {cause}: its law is not Gaussian"
    )


def averaged_step(
    step: Step, state: State, noise: State, averaged: Mapping[str, int]
) -> tuple[Step, dict[str, FloatArray], dict[str, FloatArray]]:
    """The step of averages over exchangeable entries, and the shapes of its state and noise.

    With P the average along the declared axes, N their lengths, and E the constant extension,
    the step of averages is P step(E s, E xi / sqrt(N)): the mean of N normals is one of variance
    1/N. It is a law of its own iff P step(s, xi) depends on P s and P xi alone; that is checked at
    random states that are not constant along the axes.

    Raises
    ------
    ArgumentError
        When it is not.
    """
    full, full_noise = Layout.of(state), Layout.of(noise)
    for name, axis in averaged.items():
        shape = dict(full.shapes)[name] if name in full.names else ()
        if not -len(shape) <= axis < 0:
            raise ArgumentError(
                f"an average needs a block of the state and a negative axis of it, got {name!r}, "
                f"{axis}"
            )
    count = {name: dict(full.shapes)[name][axis] for name, axis in averaged.items()}

    def mean(values: Mapping[str, Any]) -> dict[str, Any]:
        return {k: v.mean(averaged[k]) if k in averaged else v for k, v in values.items()}

    def extended(values: Mapping[str, Any], scaled: bool) -> dict[str, Any]:
        out = {}
        for name, value in values.items():
            if name not in averaged:
                out[name] = value
                continue
            wide = np.repeat(np.expand_dims(value, averaged[name]), count[name], averaged[name])
            out[name] = wide / np.sqrt(count[name]) if scaled else wide
        return out

    def reduced(s: Mapping[str, Any], xi: Mapping[str, Any]) -> dict[str, Any]:
        return mean(step(extended(s, False), extended(xi, True)))

    rng = np.random.default_rng(1)
    small = Layout.of(mean(full.unpack(np.zeros(full.size))))
    for scale in _SCALES:
        s = full.unpack(scale * rng.standard_normal(full.size))
        xi = full_noise.unpack(scale * rng.standard_normal(full_noise.size))
        there = small.pack(mean(step(s, xi)))
        noise_mean = {k: v * np.sqrt(count.get(k, 1)) for k, v in mean(xi).items()}
        here = small.pack(reduced(mean(s), noise_mean))
        off = np.abs(there - here)
        limit = _TOLERANCE * max(scale, float(np.abs(there).max(initial=0.0)))
        if not np.all(off <= limit):
            wrong = [name for name in small.names if not np.all(off[small.at(name)] <= limit)]
            raise ArgumentError(
                f"averages over {', '.join(averaged)} do not evolve by themselves: "
                f"{', '.join(wrong)} depends on more than the averages"
            )
    return (
        reduced,
        mean(full.unpack(np.zeros(full.size))),
        mean(full_noise.unpack(np.zeros(full_noise.size))),
    )
