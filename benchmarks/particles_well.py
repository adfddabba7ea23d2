"""P1: ULA on the double well, against every peer and against the engine's own noise."""

from __future__ import annotations

from solvers.noise.backends import Bits, Real
from solvers.particles import Scheme
from solvers.particles.scheme import Draw, EnergyInStep, Info, State

from .interleaved import medians
from .particle_rates import PRECISIONS, Goal, against_peers, ours, well
from .table import Table
from .targets import RATIO, Target

TITLE = "P1: ULA on the double well, d=1, million particle-steps per second"
TARGETS = (*RATIO, Target(measured="share of pure noise", goal=0.85))


def _add_noise(state: State, energy: EnergyInStep, h: float, draw: Draw) -> tuple[State, Info]:
    return {"x": state["x"] + draw.normal}, {}


NOISE_ONLY = Scheme(
    name="noise only", step=_add_noise, weak_order=1.0, strong_order=1.0, reference="none"
)


def share_of_noise(dtype: Real, bits: Bits, particles: int, steps: int, repeats: int) -> float:
    """ULA's rate over that of a walk without a drift."""
    problem = well(particles)
    step = ours(problem, dtype, bits)
    walk = ours(problem, dtype, bits, NOISE_ONLY)
    seconds = medians({"ula": lambda: step(steps), "walk": lambda: walk(steps)}, repeats)
    return seconds["walk"] / seconds["ula"]


def measure(brief: bool) -> Table:
    """Peers at 14, 6 and 12 times; the share of the pure-noise rate in its own column."""
    particles, steps = (10**5, 200) if brief else (10**6, 1000)
    table = against_peers(
        [(well(particles), Goal((14.0, 6.0, 12.0)))],
        steps=steps,
        peer_steps=20 if brief else 50,
        brief=brief,
    )
    rows = [
        {**row, "share of pure noise": share_of_noise(dtype, bits, particles, steps // 2, 5)}
        for row, (dtype, bits) in zip(table.rows, PRECISIONS, strict=True)
    ]
    return Table(
        columns=[*table.columns, "share of pure noise"],
        rows=rows,
        notes=[*table.notes, "Goal for the share of the engine's pure-noise rate: 0.85."],
        peers=table.peers,
    )
