"""Constants of an energy with provenance.

Gap, log-Sobolev constant, smoothness, convexity and dissipativity; the spectrum behind the gap.
"""

from .energy_constants import EnergyConstants, constants_of
from .spectral import SpectralFlow, Spectrum, spectrum

__all__ = ["EnergyConstants", "SpectralFlow", "Spectrum", "constants_of", "spectrum"]
