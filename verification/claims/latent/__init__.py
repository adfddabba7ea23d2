"""Claims about joint energies E(x, z): the conditional flow, the ELBO and the saddle functional."""
