r"""Error of the parameter gradient while the inner flows have not converged.

If grad_theta E_theta is G-Lipschitz in (x, z), the update direction
g = E_p grad_theta E - E_data E_{q_x} grad_theta E satisfies

    |g - grad L(theta)| <= G ( E_data W2(q_x, p(.|x)) + W2(p, p_theta) ).

Derivation. Fisher's identity: grad L = E_{p_theta} grad_theta E - E_data E_{p(.|x)} grad_theta E.
Subtract; |mu f - nu f| <= G W1(mu, nu) <= G W2(mu, nu) for each of the two differences.

The linear-Gaussian and bottleneck energies do NOT have a Lipschitz parameter gradient (it is
quadratic); location families E = U(x - theta_1, z - theta_2) do when grad U is Lipschitz, with
G = sup |Hess U|.
"""

from ...theorem import Reference, Relation, Theorem
from ..assumptions import bounded_above

theorem = Theorem(
    name="gradient-error",
    title="Error of the parameter gradient, in W2 of the two phases",
    statement=(
        r"\bigl|\hat g-\nabla L(\theta)\bigr|\le G\Bigl(\mathbb E_{\mathrm{data}}"
        r"W_2\bigl(q_x,p_\theta(\cdot|x)\bigr)+W_2(p,p_\theta)\Bigr)"
    ),
    reference=Reference(
        key="villani-2009", place="chapter 6, W1 <= W2; derived, see the docstring"
    ),
    inspired_by=("tang-2025",),
    relation=Relation.AT_MOST,
    assumptions=(
        bounded_above("parameter_gradient_lipschitz", "grad_theta E is G-Lipschitz in (x, z)"),
    ),
    formula=lambda *, parameter_gradient_lipschitz, conditional_w2, joint_w2, **_: (
        parameter_gradient_lipschitz.upper * (conditional_w2 + joint_w2)
    ),
)
