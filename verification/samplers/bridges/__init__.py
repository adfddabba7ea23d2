"""Energies known to numpy only, handed to torch and JAX with their gradients."""
