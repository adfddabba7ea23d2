"""Constants of an energy with provenance: gap, log-Sobolev, smoothness, convexity, dissipativity."""

from .spectral import SpectralFlow, Spectrum, spectrum

__all__ = ["SpectralFlow", "Spectrum", "spectrum"]
