"""Particles: schemes as data, engines generated from them, recorders without trajectories."""

from .mala import mala
from .recorders import Histogram, Moments, Snapshots, TestFunctions
from .scheme import Scheme
from .tamed_ula import tamed_ula
from .ula import ula

__all__ = [
    "Histogram",
    "Moments",
    "Scheme",
    "Snapshots",
    "TestFunctions",
    "mala",
    "tamed_ula",
    "ula",
]
