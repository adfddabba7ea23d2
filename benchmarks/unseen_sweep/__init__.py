"""Drawn energies and starts, references that share no code with the library, and their judge."""
