r"""The stationary bias of ULA, observable by observable.

For U with a Lipschitz gradient and an LSI,

    pi_h(f) - pi(f) = h e_1(f) + O(h^2),   e_1(f) = Cov_pi( f, |grad U|^2/4 - Lap U/2 ).

Derivation (d = 1; coordinates only add indices). With b = -U', one step from x has
E f(X') = f + h L f + h^2 A f + O(h^3), A f = b^2 f''/2 + b f''' + f''''/2. Stationarity of pi_h =
pi (1 + h r) + O(h^2) gives pi(r L f) = -pi(A f); integrating by parts against pi yields
A* 1 = -L(|U'|^2/4 - U''/2) in L^2(pi), hence r = |U'|^2/4 - U''/2 - its mean. Check: precision l
gives e_1(x^2) = 1/2 = d/dh [1/(l(1 - hl/2))] at 0.

Superlinear gradients (quartic wells) make ULA transient: no stationary law, nothing to expand.
"""

from ...theorem import Reference, Relation, Theorem
from ..assumptions import LOG_SOBOLEV, SMOOTH, bounded_above

_STATEMENT = (
    r"\frac{\pi_h(f)-\pi(f)}h%s\mathrm{Cov}_\pi\bigl(f,\tfrac14|\nabla U|^2-\tfrac12\Delta U\bigr)"
)
_LIPSCHITZ = bounded_above("smoothness", "grad U is L-Lipschitz with a known L")

theorem = Theorem(
    name="ula-bias",
    title="First-order stationary bias of ULA",
    statement=_STATEMENT % r"\;\xrightarrow[h\to0]{}\;",
    reference=Reference(
        key="talay-tubaro-1990", place="the expansion; e_1 derived, see the docstring"
    ),
    inspired_by=("tang-2025",),
    relation=Relation.RATE,
    assumptions=(SMOOTH, _LIPSCHITZ, LOG_SOBOLEV),
    formula=lambda *, covariance, **_: covariance,
)
