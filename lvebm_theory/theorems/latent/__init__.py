"""Joint energies E(x, z): the conditional flow, the ELBO and the saddle functional."""
