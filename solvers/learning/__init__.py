"""Learning theta of p_theta(x, z) proportional to exp(-E_theta(x, z)) from data."""
