"""One law per file: a null hypothesis, the payoffs that are bet on it, and its blind spots."""
