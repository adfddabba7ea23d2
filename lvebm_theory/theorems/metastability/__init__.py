"""Barriers: hitting times, small gaps and what a start has to do with them."""
