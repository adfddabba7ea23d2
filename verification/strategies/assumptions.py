"""Assumptions on a target, each with a proof or a refutation from the library's own certificates.

A target is drawn as independent blocks of known formulas, moved, stretched and turned. Those maps
keep every assumption here (a stretch by s divides the bounds of the Hessian by s^2), so what is
proved for the blocks is proved for the target.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from lvebm_theory.constant import Constant, How
from lvebm_theory.errors import LvebmError
from lvebm_theory.protocols import Energy

#: points of [-30, 30] at which modes and tails are looked at, in units of a block
_LINE = np.linspace(-30.0, 30.0, 60_001)


@dataclass(frozen=True, kw_only=True)
class Assumption:
    """A property of a target.

    Parameters
    ----------
    name, statement : str
    examine : callable (sequence of block formulas) -> bool or None
        True when it was proved, False when it was refuted, None when neither was possible.
    """

    name: str
    statement: str
    examine: Callable[[Sequence[Any]], bool | None]


@lru_cache(maxsize=512)
def hessian_of(block: Energy) -> tuple[Constant, Constant]:
    """inf lambda_min(Hess U) and sup |Hess U| of one formula, enclosed in ball arithmetic."""
    from lvebm_theory.certified import hessian_bounds

    convexity, smoothness = hessian_bounds(block)
    return convexity, smoothness


def _strongly_convex(blocks: Sequence[Any]) -> bool | None:
    found = [hessian_of(b)[0] for b in blocks]
    if all(c.lower > 0 for c in found):
        return True
    return False if any(c.upper <= 0 for c in found) else None


def _smooth(blocks: Sequence[Any]) -> bool | None:
    found = [hessian_of(b)[1] for b in blocks]
    if all(math.isfinite(c.upper) for c in found):
        return True
    return False if any(math.isinf(c.lower) for c in found) else None


def _dissipative(blocks: Sequence[Any]) -> bool | None:
    from lvebm_theory.certified import dissipativity

    results: list[bool | None] = []
    for block in blocks:
        try:
            results.append(dissipativity(block)[0].lower > 0)
        except LvebmError:
            known = getattr(block, "facts", None)
            rate = None if known is None else known.dissipativity
            refuted = rate is not None and rate.how is How.EXACT and rate.upper <= 0
            results.append(False if refuted else None)
    return _all(results)


def _light_tailed(blocks: Sequence[Any]) -> bool | None:
    """U >= A r^k with k > 0 was proved; refuted when r U'(r) stays bounded."""
    from lvebm_theory.certified import certify_tail

    results: list[bool | None] = []
    for block in blocks:
        if not certify_tail(block).algebraic:
            results.append(True)
            continue
        far = np.geomspace(1e2, 1e8, 25)[:, None] * np.ones(block.dim)
        virial = (block.gradient(far) * far).sum(axis=1)
        results.append(False if np.ptp(virial) < 0.1 * abs(virial[-1]) else None)
    return _all(results)


def _several_modes(blocks: Sequence[Any]) -> bool | None:
    """Minima of U along the line, by three values that enclose each; one block is enough."""
    if any(_minima(b) > 1 for b in blocks if b.dim == 1):
        return True
    return False if all(b.dim == 1 and _minima(b) == 1 for b in blocks) else None


def _minima(block: Energy) -> int:
    u = block.potential(_LINE[:, None])
    inner = u[1:-1]
    return int(np.sum((inner < u[:-2]) & (inner <= u[2:])))


def condition_number(blocks: Sequence[Any]) -> tuple[float, float]:
    """An enclosure of sup |Hess U| / inf lambda_min(Hess U)."""
    low = [hessian_of(b)[0] for b in blocks]
    high = [hessian_of(b)[1] for b in blocks]
    least, most = min(c.lower for c in low), max(c.upper for c in high)
    if not least > 0:
        return math.inf, math.inf
    return max(c.lower for c in high) / min(c.upper for c in low), most / least


def _ill_conditioned(blocks: Sequence[Any]) -> bool | None:
    lower, upper = condition_number(blocks)
    if lower >= LARGE_CONDITION * (1 - 1e-9):
        return True
    return False if upper < LARGE_CONDITION else None


def _conditionally_convex(blocks: Sequence[Any]) -> bool | None:
    """Hess_z E > 0 at some x; of the joint models drawn here it does not depend on x."""
    results: list[bool | None] = []
    for block in blocks:
        if not hasattr(block, "conditional"):
            return None
        results.append(_strongly_convex([block.conditional([x]) for x in (0.0, 1.5)]))
    return _all(results)


def _all(results: Sequence[bool | None]) -> bool | None:
    """True when all are, False when one is not, None when that is not known."""
    if any(r is False for r in results):
        return False
    return True if all(results) else None


def _whole(examine: Callable[[Sequence[Any]], bool | None]) -> Callable[[Sequence[Any]], Any]:
    """The same, asked of the joint law of a joint model."""
    return lambda blocks: examine([b.joint() if hasattr(b, "conditional") else b for b in blocks])


LARGE_CONDITION = 100.0

STRONGLY_CONVEX = Assumption(
    name="strongly convex", statement="Hess U >= m > 0", examine=_whole(_strongly_convex)
)
SMOOTH = Assumption(name="smooth", statement="|Hess U| <= L < infinity", examine=_whole(_smooth))
DISSIPATIVE = Assumption(
    name="dissipative",
    statement="<grad U(x), x> >= a |x|^2 - c with a > 0",
    examine=_whole(_dissipative),
)
LIGHT_TAILED = Assumption(
    name="light-tailed",
    statement="U grows at least like a power of |x|",
    examine=_whole(_light_tailed),
)


def _heavy(blocks: Sequence[Any]) -> bool | None:
    light = _light_tailed(blocks)
    return None if light is None else not light


HEAVY_TAILED = Assumption(
    name="heavy-tailed", statement="U grows like log |x| along some axis", examine=_whole(_heavy)
)
SEVERAL_MODES = Assumption(
    name="several modes", statement="U has more than one minimum", examine=_whole(_several_modes)
)
ILL_CONDITIONED = Assumption(
    name="ill-conditioned",
    statement=f"sup |Hess U| >= {LARGE_CONDITION:g} inf lambda_min(Hess U) > 0",
    examine=_whole(_ill_conditioned),
)
CONDITIONALLY_CONVEX = Assumption(
    name="conditionally convex",
    statement="Hess_z E(x, z) >= m > 0: log-concave posteriors of the latent",
    examine=_conditionally_convex,
)

ASSUMPTIONS = {
    a.name: a
    for a in (
        STRONGLY_CONVEX,
        SMOOTH,
        DISSIPATIVE,
        LIGHT_TAILED,
        HEAVY_TAILED,
        SEVERAL_MODES,
        ILL_CONDITIONED,
        CONDITIONALLY_CONVEX,
    )
}
