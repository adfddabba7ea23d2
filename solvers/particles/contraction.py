"""A sum over coordinates in an energy's loops as a blocked matrix product.

    for i in range(n):                      s_i = s_0 + sum_j C_ij T_j,   C_ij from p alone,
        s = s_0                             T_j from x alone,
        for j in range(m):
            s += C(i, j) * T(j)
        ...

Over a block of particles this is the product of C with the matrix of T's rows. Four rows of sums
and four of terms at a time make sixteen fused products of each four loads and stores, and tiles
of C that hold nothing but zeros are left out: a diagonal or banded C costs what it holds. The sum
over j keeps its order, whatever the block.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

TILE = 4


@dataclass(frozen=True)
class Contraction:
    """The parts of such a function: text before the loops, C, T, s_0, and what follows."""

    before: list[ast.stmt]
    row: str
    column: str
    rows: int
    columns: int
    target: str
    start: ast.expr
    coefficient: ast.expr
    term: ast.expr
    after: list[ast.stmt]
    result: ast.Return | None


def _counted(loop: ast.stmt) -> tuple[str, int] | None:
    """(i, n) of ``for i in range(n)``."""
    if (
        isinstance(loop, ast.For)
        and isinstance(loop.target, ast.Name)
        and isinstance(loop.iter, ast.Call)
        and isinstance(loop.iter.func, ast.Name)
        and loop.iter.func.id == "range"
        and len(loop.iter.args) == 1
        and isinstance(loop.iter.args[0], ast.Constant)
        and isinstance(loop.iter.args[0].value, int)
    ):
        return loop.target.id, loop.iter.args[0].value
    return None


def _names(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def recognised(body: list[ast.stmt], lane: set[str]) -> Contraction | None:
    """The contraction that this body is, or None; ``lane`` names what differs by particle."""
    result = body[-1] if isinstance(body[-1], ast.Return) else None
    inside = body[:-1] if result is not None else body
    if not inside or (outer := _counted(inside[-1])) is None:
        return None
    before, loop = inside[:-1], inside[-1]
    assert isinstance(loop, ast.For)
    if len(loop.body) < 2 or not all(isinstance(s, ast.Assign) for s in before):
        return None
    first, second, *after = loop.body
    inner = _counted(second)
    if inner is None or not isinstance(first, ast.Assign) or any(_counted(s) for s in after):
        return None
    assert isinstance(second, ast.For)
    (row, rows), (column, columns) = outer, inner
    if len(second.body) != 1 or not isinstance(step := second.body[0], ast.AugAssign):
        return None
    target, product = first.targets[0], step.value
    if not (
        isinstance(target, ast.Name)
        and isinstance(step.target, ast.Name)
        and step.target.id == target.id
        and isinstance(step.op, ast.Add)
        and isinstance(product, ast.BinOp)
        and isinstance(product.op, ast.Mult)
        and not _names(first.value) & lane
    ):
        return None
    coefficient, term = product.left, product.right
    if _names(coefficient) & lane:
        coefficient, term = term, coefficient
    if _names(coefficient) & lane or not _names(term) & lane or row in _names(term):
        return None
    return Contraction(
        before, row, column, rows, columns, target.id, first.value, coefficient, term, after, result
    )


def _at(node: ast.expr, names: dict[str, str]) -> str:
    class Place(ast.NodeTransformer):
        def visit_Name(self, name: ast.Name) -> ast.AST:
            return ast.parse(names.get(name.id, name.id), mode="eval").body

    return ast.unparse(Place().visit(ast.parse(ast.unparse(node), mode="eval").body))


def tiles_text(name: str, c: Contraction) -> str:
    """``{name}_tiles(p)``: per tile of rows, how many tiles of C hold something, and which."""
    across, down = -(-c.rows // TILE), -(-c.columns // TILE)
    coefficient = _at(c.coefficient, {c.row: "i", c.column: "j"})
    return f"""def {name}_tiles(p):
    tiles = np.zeros(({across}, {down + 1}), dtype=np.int64)
    for i in range({c.rows}):
        for j in range({c.columns}):
            if {coefficient} != 0.0:
                tiles[i // {TILE}, 1 + j // {TILE}] = 1
    for k in range({across}):
        count = 0
        for l in range({down}):
            if tiles[k, 1 + l]:
                count += 1
                tiles[k, count] = l
        tiles[k, 0] = count
    return tiles
"""


def product_lines(c: Contraction, term_rows: list[str]) -> list[str]:
    """Statements that leave the sums of four rows in ``sums``, for each tile of rows ``k``.

    ``term_rows`` are the statements that compute row ``terms`` of column j over the block.
    """
    across, down = -(-c.rows // TILE), -(-c.columns // TILE)
    each = range(TILE)
    lines = [
        f"terms = room({down * TILE} * BLOCK)",
        f"terms[{c.columns} * BLOCK :] = real(0.0)",
        f"sums = room({TILE} * BLOCK)",
        f"for {c.column} in range({c.columns}):",
        *(f"    {line}" for line in term_rows),
        f"for k in range({across}):",
        f"    for b in range({TILE} * BLOCK):",
        f"        sums[b] = {ast.unparse(c.start)}",
        "    for l in range(tiles[k, 0]):",
        "        tile = tiles[k, 1 + l]",
    ]
    for i in each:
        for j in each:
            row, column = f"(k * {TILE} + {i})", f"(tile * {TILE} + {j})"
            inside = []
            if c.rows % TILE:
                inside.append(f"{row} < {c.rows}")
            if c.columns % TILE:
                inside.append(f"{column} < {c.columns}")
            value = _at(c.coefficient, {c.row: row, c.column: column})
            if inside:
                value = f"{value} if {' and '.join(inside)} else real(0.0)"
            lines.append(f"        c{i}{j} = {value}")
    lines += ["        at = np.uint64(tile * 4 * BLOCK)", "        for b in range(BLOCK):"]
    lines += [f"            t{j} = terms[at + np.uint64({j} * BLOCK + b)]" for j in each]
    for i in each:
        place = f"sums[np.uint64({i} * BLOCK + b)]"
        value = place
        for j in each:
            value = f"fma(c{i}{j}, t{j}, {value})"
        lines.append(f"            {place} = {value}")
    return lines
