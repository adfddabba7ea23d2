"""Claims about learning theta: gradient error, tracking, convergence, bias, fluctuations."""
