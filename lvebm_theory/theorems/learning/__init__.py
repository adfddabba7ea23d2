"""Learning theta: gradient error, tracking, outer convergence and the coupled dynamics.

One clock for all of these files, that of the pool: the joint phase moves at speed 1, the latents
at speed kappa ("latent_speed"), and the parameter by theta' = eta g, with

    g = E_p grad_theta E - E_data E_{q_x} grad_theta E      (an ascent direction of L).
"""
