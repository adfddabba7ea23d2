"""What the library says of a row, by public calls alone, as plain JSON."""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Callable
from typing import Any

from .draws import Row

PARTS = ("constants", "flow 0", "flow 1", "flow 2")


def answer(row: Row, part: str) -> dict[str, Any]:
    """Of one part: its numbers, or the refusal, or the traceback; processor seconds."""
    from lvebm_theory import LvebmError

    began = time.process_time()
    found: dict[str, Any]
    try:
        found = _constants(row) if part == "constants" else _flow(row, int(part[-1]))
    except LvebmError as error:
        found = {"refused": f"{type(error).__name__}: {error}"}
    except Exception:
        found = {"traceback": traceback.format_exc()[-2500:]}
    return found | {"seconds": round(time.process_time() - began, 2)}


def _constants(row: Row) -> dict[str, Any]:
    from lvebm_theory import constants_of, parse_potential

    constants = constants_of(parse_potential(row.text))
    found = {}
    for name in ("gap", "log_sobolev", "smoothness", "convexity"):
        c = getattr(constants, name)
        found[name] = [_number(c.lower), _number(c.upper), c.how.name]
    return {"constants": found}


def _flow(row: Row, k: int) -> dict[str, Any]:
    from lvebm_theory import parse_initial, parse_potential
    from solvers.densities import solve_fokker_planck

    energy = parse_potential(row.text)
    path = solve_fokker_planck(energy, parse_initial(row.start_text(k), row.dim), row.times())
    curves: dict[str, Callable[[], Any]] = {
        "x": lambda: path.expectation(lambda x, *_: x),
        "xx": lambda: path.expectation(lambda x, *_: x**2),
        "kl": path.relative_entropy,
        "chi": path.chi_square,
    }
    if row.dim == 2:
        curves["y"] = lambda: path.expectation(lambda _, y: y)
        curves["yy"] = lambda: path.expectation(lambda _, y: y**2)
    found = {}
    for name, curve in curves.items():
        values, widths = curve()
        found[name] = [[_number(v), _number(w)] for v, w in zip(values, widths, strict=True)]
    return {"flow": found, "resolved": bool(path.resolved)}


def _number(value: Any) -> float | str:
    """JSON has no infinity."""
    value = float(value)
    return value if math.isfinite(value) else str(value)
