"""What one law comes to."""

from __future__ import annotations

from dataclasses import dataclass

from ..decide import Verdict


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The verdict of a law that is decided without chance, and what a reader needs to repeat it.

    Parameters
    ----------
    verdict : Verdict
    detail : str
    where : str
        Target and step size.
    within : float or None
        The discrepancy that cannot be excluded, where the law has one.
    """

    verdict: Verdict
    detail: str
    where: str = ""
    within: float | None = None
