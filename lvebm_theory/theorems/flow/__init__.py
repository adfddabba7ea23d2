"""Relative entropy, chi-square and free energy along one Langevin flow."""
