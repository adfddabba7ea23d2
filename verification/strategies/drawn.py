"""What a strategy gives: a target with exact draws, its formulas, and what it promises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lvebm_theory.errors import ArgumentError

from ..samplers.targets.exact_target import ExactTarget
from .assumptions import Assumption


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Drawn:
    """A target inside assumptions.

    Parameters
    ----------
    target : ExactTarget
        With exact draws; its name says in words what it is.
    formulas : sequence of Energy or JointEnergy
        The blocks before they were moved, stretched and turned: what certificates speak of.
    keeps : sequence of Assumption
        True by construction.
    breaks : Assumption or None
        False by construction.
    convexity, smoothness : float
        inf lambda_min(Hess U) and sup |Hess U| of the target, in closed form.
    scale : float
        By which the blocks were stretched.
    """

    target: ExactTarget
    formulas: Sequence[Any]
    keeps: Sequence[Assumption]
    breaks: Assumption | None
    convexity: float
    smoothness: float
    scale: float = 1.0

    @property
    def dim(self) -> int:
        """d."""
        return self.target.dim

    @property
    def stability_limit(self) -> float:
        """2/L: below it x' = x - h grad U(x) does not expand; 0 without a Lipschitz gradient."""
        return 2.0 / self.smoothness

    def holds(self, assumption: Assumption) -> bool | None:
        """Whether an assumption holds, proved by the library's certificates; None if unproved."""
        return assumption.examine(self.formulas)

    def __repr__(self) -> str:
        return self.target.name


def chosen(breaking: str | None, twins: dict[str, Assumption]) -> Assumption | None:
    """The assumption that is to be broken.

    Raises
    ------
    ArgumentError
        For one that the others imply, or that was never made.
    """
    if breaking is None:
        return None
    if breaking not in twins:
        raise ArgumentError(
            f"only {', '.join(twins)} can be broken while the others hold, got {breaking!r}"
        )
    return twins[breaking]
