r"""The saddle functional is the log-likelihood up to two relative entropies, exactly.

    J(theta, q, p) = E_data{ -E_{q_x} E_theta(x, Z) + H(q_x) } + E_p E_theta - H(p)
                   = L(theta) - E_data KL(q_x | p_theta(.|x)) + KL(p | p_theta),

L(theta) = E_data log p_theta(x), H the differential entropy.

Derivation. For every x, log int e^{-E(x,z)} dz = -E_q E(x,.) + H(q) + KL(q | p(.|x)), and
-log Z = E_p E - H(p) - KL(p | p_theta) (Gibbs' variational principle); add.

So J is an upper or a lower bound for L only when the other relative entropy vanishes: with an
unconverged negative pool J may exceed L, and J is not an ELBO.
"""

from ...theorem import Reference, Relation, Theorem
from ..assumptions import finite

theorem = Theorem(
    name="saddle-identity",
    title="J = L - E KL(q|posterior) + KL(p|model)",
    statement=(
        r"J(\theta,q,p)=L(\theta)-\mathbb E_{\mathrm{data}}\mathrm{KL}(q_x\,|\,p_\theta(\cdot|x))"
        r"+\mathrm{KL}(p\,|\,p_\theta)"
    ),
    reference=Reference(key="donsker-varadhan-1983", place="derived twice, see the docstring"),
    inspired_by=("tang-2025",),
    relation=Relation.EQUAL,
    assumptions=(
        finite("posterior_relative_entropy", "E KL(q_x|p(.|x)) is finite"),
        finite("model_relative_entropy", "KL(p|p_theta) is finite"),
    ),
    formula=lambda *, log_likelihood, posterior_relative_entropy, model_relative_entropy, **_: (
        log_likelihood - posterior_relative_entropy + model_relative_entropy
    ),
)
