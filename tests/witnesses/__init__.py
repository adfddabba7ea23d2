"""Solvers against independent references and whole claims against their theorems."""
