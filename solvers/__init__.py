"""How densities and particles move: the second storey, independent witness of the theorems.

    densities   grid Fokker-Planck with an exact Gibbs state
    particles   schemes as data, engines generated from them, recorders
    evolve      ``simulate``: one call for every particle run
    learning    theta of a joint energy: particles, mean field, closed form
    noise       counter-based normals, the same on every back end
    transport   Wasserstein distances: exact on the line, bounds and plans elsewhere

A particle run, from an energy to moments with their standard errors:

    from lvebm_theory.energies.double_well import double_well
    from lvebm_theory.initial import InitialLaw
    from solvers.evolve import simulate
    from solvers.noise import Noise
    from solvers.particles import Moments, ula

    run = simulate(
        double_well(b=2.0), ula, InitialLaw.normal(0.3, 0.5),
        step_size=0.01, time=3.0, particles=100_000, noise=Noise(seed=1),
        recorders=[Moments(every=10)],
    )
    run.records["moments"].position, run.records["moments"].standard_error

Nothing is imported here: torch, numba and POT load where they are needed.
"""
