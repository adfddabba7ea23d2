"""P2: ULA on the mixture of eight Gaussians, from the traced formula."""

from __future__ import annotations

from .particle_rates import Goal, against_peers, mixture
from .table import Table
from .targets import RATIO

TITLE = "P2: ULA on a mixture of 8 Gaussians, million particle-steps per second"
TARGETS = RATIO


def measure(brief: bool) -> Table:
    """d = 2 and d = 10; the goals are those of float32 (and the best peer's, for float64)."""
    particles = 20_000 if brief else 10**5
    return against_peers(
        [
            (mixture(2, particles), Goal((18.0, 18.0, 18.0))),
            (mixture(10, particles), Goal((12.0, 12.0, 12.0))),
        ],
        steps=50 if brief else 200,
        peer_steps=5 if brief else 20,
        brief=brief,
    )
