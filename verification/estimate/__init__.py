"""Measurements from samples and curves: every routine takes alpha and states what it rests on.

`averages` means, variances, differences; `relative_entropy` KL by histogram; `transport` W2 on the
line, and two-sided bounds beyond it; `rates` orders of convergence, straight lines.
"""
