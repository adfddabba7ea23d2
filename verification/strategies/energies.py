"""Targets inside assumptions, by construction; ``breaking`` gives the twins.

A twin keeps every other assumption of its class. What the others imply cannot be broken alone
(strong convexity implies dissipativity), and asking for it raises.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from lvebm_theory.errors import ArgumentError

from ..samplers.targets import moved, product
from ..samplers.targets.defaults import rotation
from ..samplers.targets.exact_target import ExactTarget
from . import blocks, latent
from .assumptions import (
    CONDITIONALLY_CONVEX,
    DISSIPATIVE,
    HEAVY_TAILED,
    ILL_CONDITIONED,
    LARGE_CONDITION,
    LIGHT_TAILED,
    SEVERAL_MODES,
    SMOOTH,
    STRONGLY_CONVEX,
    Assumption,
)
from .blocks import Block
from .drawn import Drawn, chosen
from .ladders import around

LARGEST_DIM = 4
_TAME = (SMOOTH, DISSIPATIVE, LIGHT_TAILED)


def _normals() -> SearchStrategy[Block]:
    return around(1.0, 0.25, 4.0).map(blocks.normal)


def _rippled(swings: SearchStrategy[float]) -> SearchStrategy[Block]:
    return st.builds(blocks.rippled, around(1.0, 0.25, 4.0), swings, st.sampled_from([2.0, 3.0]))


def _two_components(two_modes: bool) -> SearchStrategy[Block]:
    separations = around(2.0, 1.3, 3.0) if two_modes else around(0.5, 0.1, 1.0)
    pairs = st.tuples(separations, st.sampled_from([0.5, 0.4, 0.3, 0.2]))
    wanted = pairs.filter(lambda p: blocks.components_make_two_modes(*p) is two_modes)
    return wanted.map(lambda p: blocks.two_components(*p))


def _convex() -> SearchStrategy[Block]:
    return st.one_of(_normals(), _rippled(st.sampled_from([0.5, 0.25, 0.75, 0.9])))


def _confined() -> SearchStrategy[Block]:
    return st.one_of(
        _normals(), _rippled(around(0.5, 0.25, 4.0)), _two_components(True), _two_components(False)
    )


def _wells() -> SearchStrategy[Block]:
    return around(1.0, 0.5, 2.0).map(blocks.two_wells)


def _quartic_tailed() -> SearchStrategy[Block]:
    return st.builds(blocks.quartic_tailed, around(1.0, 0.25, 4.0), around(1.0, 0.1, 4.0))


def _hyperbolic() -> SearchStrategy[Block]:
    return around(1.0, 0.5, 4.0).map(blocks.hyperbolic)


@st.composite
def _assembled(
    draw: DrawFn,
    first: SearchStrategy[Block],
    others: SearchStrategy[Block],
    keeps: Sequence[Assumption],
    breaks: Assumption | None,
    max_dim: int,
) -> Drawn:
    """One block that matters, further ones that do no harm, then the maps that keep everything."""
    made = [draw(first)]
    made += draw(st.lists(others, max_size=max_dim - 1))
    return _moved(draw, made, keeps, breaks)


def _moved(
    draw: DrawFn, made: Sequence[Block], keeps: Sequence[Assumption], breaks: Assumption | None
) -> Drawn:
    d = len(made)
    turn = draw(st.integers(0, 3)) if d > 1 else 0
    return _placed(
        draw,
        made[0].target if d == 1 else product([b.target for b in made]),
        [b.formula for b in made],
        (min(b.convexity for b in made), max(b.smoothness for b in made)),
        keeps,
        breaks,
        turn,
    )


def _placed(
    draw: DrawFn,
    target: ExactTarget,
    formulas: Sequence[Any],
    hessian: tuple[float, float],
    keeps: Sequence[Assumption],
    breaks: Assumption | None,
    turn: int = 0,
) -> Drawn:
    """Stretched, moved, and turned: every assumption stays."""
    scale = draw(around(1.0, 0.1, 10.0))
    shift = draw(st.integers(-2, 2)) / 2
    words = [target.name]
    words += [f"stretched by {scale:g}"] if scale != 1 else []
    words += [f"turned (rotation {turn})"] if turn else []
    words += [f"moved by {shift * scale:g}"] if shift else []
    if len(words) > 1:
        target = moved(
            target,
            scale=scale,
            shift=shift * scale,
            rotation=rotation(target.dim, turn) if turn else None,
            name=", ".join(words),
        )
    return Drawn(
        target=target,
        formulas=formulas,
        keeps=keeps,
        breaks=breaks,
        convexity=hessian[0] / scale**2,
        smoothness=hessian[1] / scale**2,
        scale=scale,
    )


def _class(
    plain: tuple[Callable[[], SearchStrategy[Block]], Callable[[], SearchStrategy[Block]]],
    twins: dict[Assumption | None, Callable[[], SearchStrategy[Block]]],
    assumptions: Sequence[Assumption],
    breaking: str | None,
    max_dim: int,
) -> SearchStrategy[Drawn]:
    if max_dim < 1:
        raise ArgumentError(f"a target has at least one dimension, got max_dim = {max_dim}")
    breaks = chosen(breaking, {a.name: a for a in twins if a is not None})
    first, others = plain
    keeps = [a for a in assumptions if a is not breaks]
    chosen_first = first if breaks is None else twins[breaks]
    return _assembled(chosen_first(), others(), keeps, breaks, max_dim)


def normals(max_dim: int = LARGEST_DIM) -> SearchStrategy[Drawn]:
    """Normals in up to ``max_dim`` dimensions: every linear law is known on them.

    Raises
    ------
    ArgumentError
        For max_dim < 1.
    """
    return _class((_normals, _normals), {}, (STRONGLY_CONVEX, *_TAME), None, max_dim)


def strongly_convex(
    max_dim: int = LARGEST_DIM, breaking: str | None = None
) -> SearchStrategy[Drawn]:
    """0 < m <= Hess U <= L: normals, with and without ripples, in up to ``max_dim`` dimensions.

    ``breaking``: "strongly convex" (ripples that bend U down) or "smooth" (quartic tails).

    Raises
    ------
    ArgumentError
        For another twin, or max_dim < 1.
    """
    return _class(
        (_convex, _convex),
        {
            STRONGLY_CONVEX: lambda: _rippled(around(2.0, 1.5, 4.0)),
            SMOOTH: _quartic_tailed,
        },
        (STRONGLY_CONVEX, *_TAME),
        breaking,
        max_dim,
    )


def dissipative(max_dim: int = LARGEST_DIM, breaking: str | None = None) -> SearchStrategy[Drawn]:
    """<grad U, x> >= a |x|^2 - c with Lipschitz gradient; convex or not.

    ``breaking``: "dissipative" (tails like exp(-|x|)) or "smooth" (quartic tails).

    Raises
    ------
    ArgumentError
        For another twin, or max_dim < 1.
    """
    return _class(
        (_confined, _confined),
        {DISSIPATIVE: _hyperbolic, SMOOTH: lambda: st.one_of(_quartic_tailed(), _wells())},
        _TAME,
        breaking,
        max_dim,
    )


def multimodal(max_dim: int = LARGEST_DIM, breaking: str | None = None) -> SearchStrategy[Drawn]:
    """Two modes along some axis, smooth and dissipative.

    ``breaking``: "several modes" (two components too close for two modes) or "smooth" (quartic
    wells).

    Raises
    ------
    ArgumentError
        For another twin, or max_dim < 1.
    """
    return _class(
        (lambda: _two_components(True), _normals),
        {SEVERAL_MODES: lambda: _two_components(False), SMOOTH: _wells},
        (SEVERAL_MODES, *_TAME),
        breaking,
        max_dim,
    )


def heavy_tailed(max_dim: int = LARGEST_DIM, breaking: str | None = None) -> SearchStrategy[Drawn]:
    """Polynomial tails along some axis, smooth.

    ``breaking``: "heavy-tailed" (tails like exp(-|x|) instead).

    Raises
    ------
    ArgumentError
        For another twin, or max_dim < 1.
    """
    return _class(
        (lambda: around(4.0, 2.5, 8.0).map(blocks.polynomial_tailed), _normals),
        {HEAVY_TAILED: _hyperbolic},
        (HEAVY_TAILED, SMOOTH),
        breaking,
        max_dim,
    )


@st.composite
def _normals_of_condition(
    draw: DrawFn, conditions: SearchStrategy[float], breaks: Assumption | None, max_dim: int
) -> Drawn:
    condition = draw(conditions)
    between = draw(st.lists(st.integers(0, 4), max_size=max_dim - 2))
    precisions = [1.0, condition, *(condition ** (k / 4) for k in between)]
    keeps = [a for a in (ILL_CONDITIONED, STRONGLY_CONVEX, *_TAME) if a is not breaks]
    return _moved(draw, [blocks.normal(p) for p in precisions], keeps, breaks)


def ill_conditioned(
    max_dim: int = LARGEST_DIM, breaking: str | None = None
) -> SearchStrategy[Drawn]:
    """Normals in two or more dimensions whose condition number is at least a hundred.

    ``breaking``: "ill-conditioned" (at most fifty).

    Raises
    ------
    ArgumentError
        For another twin, or max_dim < 2.
    """
    if max_dim < 2:
        raise ArgumentError(f"a condition number needs two dimensions, got max_dim = {max_dim}")
    breaks = chosen(breaking, {ILL_CONDITIONED.name: ILL_CONDITIONED})
    large = around(LARGE_CONDITION, LARGE_CONDITION, 1e4)
    return _normals_of_condition(
        large if breaks is None else around(4.0, 1.0, LARGE_CONDITION / 2), breaks, max_dim
    )


@st.composite
def _of_latent(draw: DrawFn, convex: bool) -> Drawn:
    gain, noise = draw(around(1.0, 0.25, 4.0)), draw(around(1.0, 0.5, 2.0))
    limit = float(np.sqrt(1 + (gain / noise) ** 2))
    ratio = draw(st.sampled_from([0.0, 0.5, 0.9] if convex else [1.5, 1.2, 2.0]))
    spread = round(ratio * limit, 3)
    target, formula = latent.model(gain, noise, spread)
    kept = (CONDITIONALLY_CONVEX, *_TAME) if convex else _TAME
    return _placed(
        draw,
        target,
        [formula],
        latent.hessian_range(gain, noise, spread),
        kept,
        None if convex else CONDITIONALLY_CONVEX,
    )


def joint(breaking: str | None = None) -> SearchStrategy[Drawn]:
    """(x, z) with a latent z, drawn ancestrally; the posterior of z is log-concave for every x.

    ``breaking``: "conditionally convex" (a prior of two modes that the data do not tell apart).

    Raises
    ------
    ArgumentError
        For another twin.
    """
    breaks = chosen(breaking, {CONDITIONALLY_CONVEX.name: CONDITIONALLY_CONVEX})
    return _of_latent(breaks is None)
