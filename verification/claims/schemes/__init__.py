"""Claims about time-discrete Langevin schemes."""
