"""What a run itself tells of the log-Sobolev constant rho of a user's energy: bounds from above.

For every law mu_t of the flow, LSI(rho) says (and Talagrand's inequality, which follows)

    rho <= FI(mu_t | pi) / (2 KL(mu_t | pi)),     rho <= 2 KL(mu_t | pi) / W2(mu_t, pi)^2,
    rho <= log(KL_s / KL_t) / (2 (t - s))   for s < t,

and rho <= gap; the first of these for normal laws too, which need no flow (``normal_laws``).
Planned with everything else. Sources: Otto and Villani 2000; Bakry, Gentil and Ledoux 2014,
chapter 5.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from .claim import Case
from .measurement import Measurement
from .meeting import case_from_json, case_to_json

NAME = "log-sobolev-from-above"
TITLE = "The log-Sobolev constant is at most what the run measures"
_WITNESSES = ("grid", "closed-form")

TALAGRAND = "2 KL / W2^2"
FISHER = "FI / (2 KL)"
DECAY = "log(KL_s / KL_t) / (2 (t - s))"
NORMAL = "FI / (2 KL), normal laws"
GAP = "gap"
BY_QUADRATURE = (GAP, NORMAL)


@dataclass(frozen=True, kw_only=True)
class Above:
    """A planned upper bound of rho, from two measurements by one witness, or none of a flow.

    Parameters
    ----------
    claims, cases : pairs
        Where each of the two is measured: KL and W2; FI and KL; KL_s and KL_t.
    """

    quantity: str
    witness: str
    time: float | None = None
    claims: tuple[str, ...] = ()
    cases: tuple[Case, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON object."""
        row = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {**row, "claims": list(self.claims), "cases": [case_to_json(c) for c in self.cases]}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Above:
        """Inverse of ``to_json``."""
        cases = tuple(case_from_json(case) for case in row["cases"])
        return cls(**{**row, "claims": tuple(row["claims"]), "cases": cases})


def bounds_of(own: Iterable[tuple[str, Case]]) -> list[Above]:
    """Every bound that the cases on a user's energy allow; those of no flow where there are any.

    Parameters
    ----------
    own : pairs of a claim's name and a case of it to be measured on the user's energy
    """
    known: dict[tuple[str, str, float], tuple[str, Case]] = {}
    some = False
    for claim, case in own:
        some = True
        plain = case.control is None and not case.run and not case.part
        if plain and case.time is not None and case.upper_bound_of is None:
            known.setdefault((case.witness, case.quantity, case.time), (claim, case))
    found = [Above(quantity=q, witness="quadrature") for q in BY_QUADRATURE] if some else []

    def bound(quantity: str, time: float, *sources: tuple[str, Case] | None) -> None:
        pairs = [source for source in sources if source is not None]
        if len(pairs) == len(sources):
            claims, cases = zip(*pairs, strict=True)
            witness = cases[0].witness
            found.append(
                Above(quantity=quantity, witness=witness, time=time, claims=claims, cases=cases)
            )

    for witness in _WITNESSES:
        times = sorted({time for w, _, time in known if w == witness})
        for time in times:
            entropy = known.get((witness, "KL", time))
            bound(TALAGRAND, time, entropy, known.get((witness, "W2", time)))
            bound(FISHER, time, known.get((witness, "FI", time)), entropy)
        for s, t in pairwise(times):
            bound(DECAY, t, known.get((witness, "KL", s)), known.get((witness, "KL", t)))
    return found


def interval_of(
    above: Above, first: Measurement, second: Measurement
) -> tuple[float, float, float]:
    """(lower, value, upper) of the bound; infinite where a denominator may vanish."""
    if above.quantity == TALAGRAND:
        low, middle, high = second.lower, second.value, second.upper
        return (
            _over(2 * first.lower, high * high),
            _over(2 * first.value, middle * middle),
            _over(2 * first.upper, low * low if low > 0 else 0.0),
        )
    if above.quantity == FISHER:
        return (
            _over(first.lower, 2 * second.upper),
            _over(first.value, 2 * second.value),
            _over(first.upper, 2 * second.lower),
        )
    s, t = (case.time or 0.0 for case in above.cases)
    rate = 2 * (t - s)
    return (
        _log(_over(first.lower, second.upper)) / rate,
        _log(_over(first.value, second.value)) / rate,
        _log(_over(first.upper, second.lower)) / rate,
    )


def _over(a: float, b: float) -> float:
    return a / b if b > 0 else math.inf


def _log(x: float) -> float:
    return math.log(x) if x > 0 else -math.inf
