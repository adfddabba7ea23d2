r"""While theta is learned, the flow's ELBO beats every Gaussian encoder, from a computable time on.

g_t = E_data inf over Gaussians N(m, s) of KL(N(m, s)|p_theta(t)(.|x)): no amortised Gaussian
encoder, trained to optimality at time t, comes closer on average. y_t = the bound of sqrt(E_data
KL(q_x|post)) of the theorem tracking-along-a-path for the conditional phase. Then

    y_t^2 < g_t   =>   E_data KL(q_x,t|p_theta(t)(.|x)) < g_t,

that is, ELBO(flow) > ELBO(best Gaussian encoder) at time t. As theta comes to rest y_t -> 0, so the
condition holds from some time on whenever g stays away from zero (posteriors that are not
Gaussian).

Derivation. L - ELBO = E_data KL for both. The encoder's side is bounded below datum by datum, for
an amortised encoder is one choice of (m, s) per datum. If every posterior is Gaussian, g = 0 and
the statement is void.

Loose: y_t rests on the log-Sobolev constant of the worst posterior along the run; the measured
divergence is orders of magnitude below g_t once the condition holds.
"""

from ...theorem import Assumption, Reference, Relation, Theorem

theorem = Theorem(
    name="elbo-during-training",
    title="During training the flow's ELBO exceeds that of every Gaussian encoder",
    statement=(
        r"y_t^2<g_t=\mathbb E_{\mathrm{data}}\inf_{m,s}\mathrm{KL}\bigl(\mathcal N(m,s)\,|\,"
        r"p_{\theta_t}(\cdot|x)\bigr)\ \Rightarrow\ \mathbb E_{\mathrm{data}}"
        r"\mathrm{KL}\bigl(q_{x,t}\,|\,p_{\theta_t}(\cdot|x)\bigr)<g_t"
    ),
    reference=Reference(
        key="otto-villani-2000", place="Theorem 1, W2 from KL; derived, see the docstring"
    ),
    inspired_by=("tang-2025",),
    relation=Relation.AT_MOST,
    assumptions=(
        Assumption(
            text="the posteriors are not Gaussian: g_t > 0", holds=lambda q: q["family_gap"] > 0.0
        ),
        Assumption(
            text="the latents track the posteriors: y_t^2 < g_t",
            holds=lambda q: q["tracking_bound"] ** 2 < q["family_gap"],
        ),
    ),
    formula=lambda *, family_gap, **_: family_gap,
    loose=True,
)
