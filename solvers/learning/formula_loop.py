"""The text of the loop over updates: both phases, g, the step of theta, records; all compiled."""

from __future__ import annotations

import functools
from types import ModuleType
from typing import TYPE_CHECKING, Any

import sympy

from lvebm_theory.formula import printing
from lvebm_theory.formula.generated import load

from ..noise.backends import INLINED
from ..source_text import body_of, decorated
from . import projection_steps

if TYPE_CHECKING:
    from lvebm_theory.formula.expression import Formula

#: why a loop stopped
FINE, NOT_FINITE, OUTSIDE_FAMILY, NOT_NORMALISABLE = 0, 1, 2, 3

_MODULE = '''import math

import numpy as np
from numba import njit
from numpy import float64 as real

from {latents} import scratch as latent_scratch
from {latents} import work_within as latents_within
from {pool} import scratch as pool_scratch
from {pool} import work_within as pool_within

{header}


{projections}


@njit(cache=True, nogil=True, error_model="numpy")
def mean(partial, blocks, count, learned, out):
    """Rows of block sums added in their order, what rounding lost carried along (Neumaier)."""
    for k in range(learned.shape[0]):
        total, lost = 0.0, 0.0
        for block in range(blocks):
            value = partial[block, k]
            new = total + value
            if abs(total) >= abs(value):
                lost += (total - new) + value
            else:
                lost += (value - new) + total
            total = new
        # an infinite total leaves nan behind, which the check below finds
        out[learned[k]] = (total + lost) / count


@njit(cache=True, nogil=True, error_model="numpy")
def curvature(p, g):
    """Upper triangle of the joint Hessian of a quadratic energy."""
{hessian}


@njit(cache=True, nogil=True, error_model="numpy")
def positive_definite_at(theta, triangle, factor):
    """Whether a quadratic joint energy is normalisable: Cholesky's pivots are positive."""
    curvature(theta, triangle)
    k = 0
    for i in range({dim}):
        for j in range(i, {dim}):
            factor[j, i] = triangle[k]
            k += 1
    for j in range({dim}):
        for k in range(j):
            for i in range(j, {dim}):
                factor[i, j] -= factor[i, k] * factor[j, k]
        if not factor[j, j] > 0.0:
            return False
        root = math.sqrt(factor[j, j])
        for i in range(j, {dim}):
            factor[i, j] /= root
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def judged(theta, learned, positive):
    """Whether theta is a member of the family with a finite normaliser, as far as is known."""
    for k in learned:
        if not math.isfinite(theta[k]):
            return {not_finite}
    for k in positive:
        if not theta[k] > 0.0:
            return {outside_family}
    if {checked}:
        triangle, factor = np.empty({triangle}), np.empty(({dim}, {dim}))
        if not positive_definite_at(theta, triangle, factor):
            return {not_normalisable}
    return {fine}


@njit(cache=True, nogil=True, error_model="numpy")
def ascend(theta, g, rate, spread, normals, learned, positive, index, numbers):
    """theta <- Projection(theta + a g + spread xi); the verdict on where it leads."""
    for k in learned:
        theta[k] += rate * g[k]
        if spread > 0.0:
            theta[k] += spread * normals[k]
    for k in learned:
        if not math.isfinite(theta[k]):
            return {not_finite}
    project_{projection}(theta, index, numbers)
    return judged(theta, learned, positive)


@njit(cache=True, nogil=True, error_model="numpy")
def outer(
    stages, latent_partial, latent_blocks, latent_count, pool_partial, pool_blocks, pool_count,
    averages, g, theta, rate, spread, normals, learned, positive, index, numbers,
):
    """The stages of one update that belong to no particle."""
    verdict = {fine}
    for stage in stages:
        if stage == {average_latents}:
            mean(latent_partial, latent_blocks, latent_count, learned, averages[0])
        elif stage == {average_pool}:
            mean(pool_partial, pool_blocks, pool_count, learned, averages[1])
        elif stage == {combine}:
            for k in learned:
                g[k] = averages[1, k] - averages[0, k]
        elif stage == {ascend}:
            verdict = ascend(theta, g, rate, spread, normals, learned, positive, index, numbers)
    return verdict


@njit(cache=True, nogil=True, error_model="numpy")
def run(
    first, last, stages, latent_stages, pool_stages,
    latents, latent_count, latent_blocks, group, chosen, data, latent_h, latent_partial,
    latent_info, latent_address,
    pool, pool_count, pool_blocks, pool_h, pool_partial, pool_info, pool_address,
    inner, inverse_temperature, averages, g, theta, theta_real, rates, tau, normals,
    learned, positive, index, numbers,
    every, theta_record, g_record,
):
    """Updates first to last - 1 in place; (verdict, update at which it was reached, records).

    Row u - first of ``rates``, ``normals`` and ``chosen`` belongs to update u; single rows serve
    every update.
    """
    latent_buffers, pool_buffers = latent_scratch(), pool_scratch()
    nothing = np.empty((0, 0), dtype=data.dtype)
    none = np.empty(0, dtype=np.int64)
    records = 0
    for update in range(first, last):
        k = update - first
        for i in range(theta.shape[0]):
            theta_real[i] = theta[i]
        latents_within(
            latent_buffers, latent_stages, latents, data, theta_real, inverse_temperature,
            latent_h, update * inner, inner, latent_count, chosen[min(k, chosen.shape[0] - 1)],
            group, 0, latent_blocks, latent_partial, latent_info,
            latent_address[0], latent_address[1], latent_address[2], latent_address[3],
        )
        pool_within(
            pool_buffers, pool_stages, pool, nothing, theta_real, inverse_temperature,
            pool_h, update * inner, inner, pool_count, none,
            1, 0, pool_blocks, pool_partial, pool_info,
            pool_address[0], pool_address[1], pool_address[2], pool_address[3],
        )
        spread = math.sqrt(2.0 * rates[k] * tau)
        verdict = outer(
            stages, latent_partial, latent_blocks, latent_count, pool_partial, pool_blocks,
            pool_count, averages, g, theta, rates[k], spread,
            normals[min(k, normals.shape[0] - 1)], learned, positive, index, numbers,
        )
        if verdict != {fine}:
            return verdict, update, records
        if (update + 1) % every == 0:
            # entry by entry: an assignment of arrays compiles the text of its error message
            for i in range(theta.shape[0]):
                theta_record[records, i] = theta[i]
                g_record[records, i] = g[i]
            records += 1
    return {fine}, last, records
'''


def hessian_text(joint: Formula) -> list[str] | None:
    """Statements g[k] = entry, upper triangle; None unless E is quadratic in (x, z)."""
    coordinates = joint.coordinates
    if not joint.expression.is_polynomial(*coordinates):
        return None
    if sympy.Poly(joint.expression, *coordinates).total_degree() > 2:
        return None
    entries = [sympy.expand(e) for e in joint.expressions("hessian")]
    lines, results = printing.body(joint.program(entries, "loop"), printing.NUMBA)
    return [*lines, *(f"g[{k}] = {result}" for k, result in enumerate(results))]


@functools.lru_cache(maxsize=256)
def loop(
    joint: Formula, latents: str, pool: str, learned: tuple[int, ...], projection: str
) -> ModuleType:
    """The compiled loop over updates, from the names of the phases' modules.

    ``run`` does everything; ``outer`` and ``judged`` serve a loop that shares a phase's blocks
    out to threads.
    """
    from .update import Stage

    hessian = hessian_text(joint)
    moving = {joint.parameter_symbols[k] for k in learned}
    checked = hessian is not None and any(
        entry.free_symbols & moving for entry in map(sympy.expand, joint.expressions("hessian"))
    )
    projections = decorated(body_of(projection_steps), INLINED).replace("def ", "def project_")
    header = decorated(printing.NUMBA.header.format(real="float64"), INLINED)
    text = _MODULE.format(
        latents=latents,
        pool=pool,
        header=header,
        projections=projections,
        projection=projection,
        hessian="\n".join(f"    {line}" for line in hessian or ["pass"]),
        checked=checked,
        dim=joint.dim,
        triangle=joint.dim * (joint.dim + 1) // 2,
        fine=FINE,
        not_finite=NOT_FINITE,
        outside_family=OUTSIDE_FAMILY,
        not_normalisable=NOT_NORMALISABLE,
        average_latents=int(Stage.AVERAGE_LATENTS),
        average_pool=int(Stage.AVERAGE_POOL),
        combine=int(Stage.COMBINE),
        ascend=int(Stage.ASCEND),
    )
    return load(text)


def quadratic(joint: Formula) -> bool:
    """Whether the loop itself can judge normalisability."""
    return hessian_text(joint) is not None


__all__: list[Any] = [
    "FINE",
    "NOT_FINITE",
    "NOT_NORMALISABLE",
    "OUTSIDE_FAMILY",
    "hessian_text",
    "loop",
    "quadratic",
]
