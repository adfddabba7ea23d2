"""Counter-based noise: the same integers on every back end, whatever the order or the threads."""

from .noise import Noise, Particles

__all__ = ["Noise", "Particles"]
