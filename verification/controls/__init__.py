"""Negative controls: false variants of theorems, and mutated solvers as wrappers."""
