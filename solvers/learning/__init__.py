"""Learning theta: particle trainers, their limits, and the systems they learn from."""
