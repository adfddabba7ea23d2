"""How a step asks for what it needs: by the names of its arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from lvebm_theory.errors import ArgumentError

WORDS = {
    "x": "position: (n, d) for whole chains, (d,) for one",
    "theta": "another name of x, for parameters of a model",
    "y": "data of a target made by from_model, in the shape in which they were drawn",
    "data": "another name of y",
    "v": "momenta of unit mass, in the shape of x; the step then returns (x', v')",
    "energy": "U with .potential(x), .gradient(x), .dim",
    "potential": "the function U alone",
    "gradient": "the function grad U alone",
    "step_size": "a positive number",
    "rng": "numpy's or torch's Generator, a JAX key",
    "key": "a JAX key",
    "xi": "standard normal noise in the shape of x, instead of rng",
    "u": "uniform noise, one number per chain, instead of rng",
}
USUAL = ("x", "energy", "step_size", "rng")
SOURCES_OF_NOISE = frozenset({"rng", "key", "xi", "u"})


def arguments_of(step: Callable[..., Any]) -> tuple[str, ...]:
    """Names by which the step takes its arguments, in order.

    Raises
    ------
    ArgumentError
        Not callable, x does not come first, or a required argument is no word of ``WORDS``.
    """
    if not callable(step):
        raise ArgumentError(f"a sampler is a callable step(x, ...), got {step!r}")
    try:
        found = inspect.signature(getattr(step, "py_func", step)).parameters.values()
    except (TypeError, ValueError):  # compiled callables may show no signature
        return USUAL
    if all(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in found) and found:
        return USUAL
    names = []
    for p in found:
        if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
            continue
        if p.name in WORDS:
            names.append(p.name)
        elif p.default is p.empty:
            raise ArgumentError(
                f"a step takes arguments named {', '.join(WORDS)}, most often "
                f"step({', '.join(USUAL)}); it asks for {p.name!r}"
            )
    if not names or names[0] not in ("x", "theta"):
        raise ArgumentError(
            f"a step takes its position x first, most often step({', '.join(USUAL)}); "
            f"it takes {', '.join(names) or 'nothing'}"
        )
    return tuple(names)
