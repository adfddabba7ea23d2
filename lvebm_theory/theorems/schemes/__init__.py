"""Time-discrete Langevin schemes: exact laws, biases and non-asymptotic bounds."""
