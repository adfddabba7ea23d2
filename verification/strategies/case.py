"""Whole cases for a sampler: a target and a step size, simple ones first."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from lvebm_theory.errors import ArgumentError

from . import energies
from .drawn import Drawn
from .settings import any_step_sizes, step_sizes


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Case:
    """Where a sampler is tried.

    Parameters
    ----------
    drawn : Drawn
    step_size : float
    """

    drawn: Drawn
    step_size: float

    @property
    def key(self) -> str:
        """Names the case; equal for equal parameters."""
        return f"{self.drawn}, step size {self.step_size:.6g}"

    def __repr__(self) -> str:
        return self.key


def targets(
    max_dim: int = energies.LARGEST_DIM, *, lipschitz: bool = True
) -> SearchStrategy[Drawn]:
    """Every class of targets, simple ones first; without Lipschitz gradients too if asked."""
    found = [
        energies.normals(max_dim),
        energies.strongly_convex(max_dim),
        energies.multimodal(max_dim),
        energies.dissipative(max_dim),
        energies.heavy_tailed(max_dim),
    ]
    if max_dim > 1:
        found += [energies.joint(), energies.ill_conditioned(max_dim)]
    if not lipschitz:
        found.append(energies.strongly_convex(max_dim, breaking="smooth"))
        found.append(energies.multimodal(max_dim, breaking="smooth"))
    return st.one_of(found)


@st.composite
def _cases(
    draw: DrawFn, from_targets: SearchStrategy[Drawn], adjusted: bool, momenta: bool
) -> Case:
    drawn = draw(from_targets)
    size = draw(any_step_sizes(drawn) if adjusted else step_sizes(drawn))
    # times of trajectories are lengths, times of diffusions squares of them
    return Case(drawn=drawn, step_size=size**0.5 if momenta else size)


def cases(
    kind: str = "adjusted",
    max_dim: int = energies.LARGEST_DIM,
    targets_from: SearchStrategy[Drawn] | None = None,
    *,
    momenta: bool = False,
) -> SearchStrategy[Case]:
    """Targets with step sizes that suit a kind of sampler.

    Adjusted kernels are tried at every size and on gradients that are not Lipschitz; unadjusted
    ones below 2/L only, where their scheme is stable. With ``momenta`` step sizes are the roots of
    those.

    Raises
    ------
    ArgumentError
        For a kind that takes no energy of its own choice.
    """
    if kind not in ("adjusted", "unadjusted"):
        raise ArgumentError(f"cases are drawn for adjusted and unadjusted samplers, got {kind!r}")
    adjusted = kind == "adjusted"
    found = targets(max_dim, lipschitz=not adjusted) if targets_from is None else targets_from
    return _cases(found, adjusted, momenta)
