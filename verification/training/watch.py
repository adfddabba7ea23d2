"""Is the run about to diverge? Signs that come before the numbers stop being finite."""

from __future__ import annotations

import itertools
import math
import statistics
from collections import deque
from dataclasses import dataclass, field

from .diagnosis import Reading

# a pool this many times wider than data and start; a gradient this many times its median so far
SIZE_FACTOR, GRADIENT_FACTOR = 10.0, 50.0
# energies of the phases this many of their own spreads apart, and further apart at every look
DRIFT_FACTOR, DRIFT_LOOKS = 10.0, 5
# an acceptance below this is of a chain that samples another law
LEAST_ACCEPTANCE = 0.2
MEMORY = 200


@dataclass(frozen=True, kw_only=True)
class Sign:
    """One sign of divergence.

    Attributes
    ----------
    name : str
        ``moments``, ``gradient``, ``energy drift`` or ``not finite``.
    sentence : str
        What was seen, and at which update.
    """

    name: str
    sentence: str


@dataclass(kw_only=True)
class Watch:
    """Compares each reading with those before it.

    Parameters
    ----------
    size : float
        Root mean square distance from the origin that data and latents had at the start.
    dim : int
        Coordinates of a pool particle: the spread of E is about sqrt(dim/2).
    """

    size: float
    dim: int
    _gradients: deque[float] = field(default_factory=lambda: deque(maxlen=MEMORY))
    _contrasts: deque[float] = field(default_factory=lambda: deque(maxlen=DRIFT_LOOKS))

    def look(self, reading: Reading) -> list[Sign]:
        """The signs that this reading shows; none for a healthy run."""
        numbers = (
            reading.pool_energy,
            reading.conditional_energy,
            reading.gradient_norm,
            reading.size,
        )
        if not all(map(math.isfinite, numbers)):
            return [Sign(name="not finite", sentence=f"update {reading.update}: no finite energy")]
        found = [*self._moments(reading), *self._gradient(reading), *self._drift(reading)]
        if not found:
            self._gradients.append(reading.gradient_norm)
        return found

    def _moments(self, reading: Reading) -> list[Sign]:
        limit = SIZE_FACTOR * self.size
        if reading.size <= limit:
            return []
        said = (
            f"update {reading.update}: the pool is {reading.size:.3g} wide, data and start were "
            f"{self.size:.3g}"
        )
        return [Sign(name="moments", sentence=said)]

    def _gradient(self, reading: Reading) -> list[Sign]:
        if len(self._gradients) < DRIFT_LOOKS:
            return []
        usual = statistics.median(self._gradients)
        if reading.gradient_norm <= GRADIENT_FACTOR * usual:
            return []
        said = (
            f"update {reading.update}: the gradient's norm is {reading.gradient_norm:.3g}, its "
            f"median was {usual:.3g}"
        )
        return [Sign(name="gradient", sentence=said)]

    def _drift(self, reading: Reading) -> list[Sign]:
        self._contrasts.append(abs(reading.contrast))
        seen = list(self._contrasts)
        grows = all(a < b for a, b in itertools.pairwise(seen))
        limit = DRIFT_FACTOR * math.sqrt(self.dim / 2)
        if len(seen) < DRIFT_LOOKS or not grows or seen[-1] <= limit:
            return []
        said = (
            f"update {reading.update}: the energies of pool and data are {seen[-1]:.3g} apart and "
            f"have parted at each of {DRIFT_LOOKS} looks"
        )
        return [Sign(name="energy drift", sentence=said)]
