"""Learning theta: trainers, mean fields, evaluation and baselines."""
