"""The report: stored results as one self-contained page, and as datasets for figures."""

from .page import render
from .results import Results

__all__ = ["Results", "render"]
