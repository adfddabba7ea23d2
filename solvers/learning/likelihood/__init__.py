"""Log-likelihoods that say how well they are known.

    bracket         what is known of a number: a lower side, an upper side, or both
    quadrature      exact values with an error width, total dimension up to three
    annealed        Jarzynski-weighted Langevin: unbiased weights forward and in reverse
    exact_samples   draws whose law is the model's, with the reason why
    model_evidence  the log-likelihood of held-out data, by the best route that applies

A number that is bounded on one side only is named by that side; "log-likelihood" is said of
quadrature and of two-sided brackets alone.
"""
