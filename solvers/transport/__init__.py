"""Transport distances: exact on the line, verified from both sides elsewhere.

`one_dimensional` samples, grids, and one against the other; `point_clouds` any dimension;
`two_dimensional` plane grids; `bounds` Gelbrich, sliced and coupling bounds. Compiled loops and
POT are imported when first needed.
"""
