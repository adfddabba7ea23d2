"""Wasserstein distance: functional inequalities and contraction."""
