r"""Learning theta of p_theta(x, z) proportional to exp(-E_theta(x, z)) from data x_1, ..., x_n.

    L(theta) = (1/n) sum_i log int p_theta(x_i, z) dz

Conventions, stated once for every form (particles, mean field, closed form):

    g_k   = (1/M) sum_j d_theta E(w_j) - (1/(n K)) sum_ik d_theta E(x_i, z_ik)   ascends L
    theta <- Projection(theta + a_k g_k + sqrt(2 a_k tau) xi)                    tau: gradient noise
    z_ik  <- z_ik - h_q d_z E(x_i, z_ik) + sqrt(2 T h_q) xi      conditional phase, data clamped
    w_j   <- w_j  - h_p d_w E(w_j)       + sqrt(2 T h_p) xi      joint phase, w = (x, z)

Each phase makes K_in inner steps per update. In order "sequential" the particles move at theta_k
first and g_k is taken from where they arrive; in order "simultaneous" g_k is taken where they
stand, they move at theta_k, and then theta moves. Continuous time is s = k h_p K_in: the flow has
theta' = eta g with eta = a/(h_p K_in), and latents run at speed h_q/h_p.

Nothing is imported here: numba and torch load where they are needed.
"""
