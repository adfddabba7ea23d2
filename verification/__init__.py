"""Theorem meets solver: claims, verdicts, the stored plan, the report, and the command line."""
