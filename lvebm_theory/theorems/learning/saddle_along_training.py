r"""How the saddle functional moves along a training run.

J(theta, q, p) = L - E_data KL(q_x|p(.|x)) + KL(p|p_theta) (latent/saddle_identity) along theta' =
eta g, latents at speed kappa, pool at speed 1:

    dJ/dt = eta |g|^2 + kappa E_data FI(q_x|p(.|x)) - FI(p|p_theta).

J ascends in theta and in the latents and descends in the pool, so it is monotone in neither
direction; it lies above L when the pool is farther from the model than the latents are from the
posteriors (KL(p|p_theta) > E KL(q_x|p(.|x))), and below when it is the other way round.

Derivation. J separates in theta, q and p. d_theta J = E_p grad_theta E - E_data E_q grad_theta E =
g. In q, J is minus the free energy of q_x up to a constant, which its Langevin flow dissipates at
the rate FI (de Bruijn); in p it is the free energy.
"""

from ...theorem import Reference, Relation, Theorem
from ..assumptions import SMOOTH

theorem = Theorem(
    name="saddle-slope",
    title="Slope of the saddle functional along training",
    statement=(
        r"\frac{\mathrm dJ}{\mathrm dt}=\eta|g|^2+\kappa\,\mathbb E_{\mathrm{data}}"
        r"\mathrm{FI}\bigl(q_x\,|\,p_\theta(\cdot|x)\bigr)-\mathrm{FI}(p\,|\,p_\theta)"
    ),
    reference=Reference(
        key="bakry-gentil-ledoux-2014", place="section 5.2, de Bruijn; derived, see the docstring"
    ),
    inspired_by=("tang-2025",),
    relation=Relation.EQUAL,
    assumptions=(SMOOTH,),
    formula=lambda *, eta, direction, latent_speed, posterior_fisher, model_fisher, **_: (
        eta * sum(float(g) ** 2 for g in direction) + latent_speed * posterior_fisher - model_fisher
    ),
)
