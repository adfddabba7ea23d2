"""What the learning algorithm is compared with, on the same data, budget and architecture size.

    contrastive                  an energy without latents, by persistent contrastive divergence
    variational                  a variational autoencoder with Gaussian encoder and decoder
    particle_gradient_descent    a decoder with a particle cloud of latents per datum

Each has a frozen settings dataclass and ``fit(data, settings, seed=..., updates=...)``; what comes
back draws samples, fills in missing coordinates and gives its log-likelihood, or the side of it
that it has. torch is imported when a fit begins.
"""
