"""Functionals of densities given as cell masses: entropies, Fisher information, expectations."""

from .entropies import chi_square, entropy, expectation, relative_entropy
from .fisher import fisher_information, fisher_terms
from .ratios import GibbsRatio

__all__ = [
    "GibbsRatio",
    "chi_square",
    "entropy",
    "expectation",
    "fisher_information",
    "fisher_terms",
    "relative_entropy",
]
