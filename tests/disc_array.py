"""Conductivity of the square array of discs by Rayleigh's multipole method, to rounding.

In the matrix T = Re sum over odd l of (A_l z^l + B_l z^-l). Continuity on the disc gives A_l = B_l a^-2l (1+s)/(1-s),
the other discs' multipoles A_l = G d_l1 - sum_m binom(m+l-1, l) S_{m+l} B_m with the lattice sums S (S_2 = pi for the
mean gradient G), and k = 1 - 2 pi B_1 / G.

Source: Perrins, McKenzie & McPhedran (1979), Proc. R. Soc. Lond. A 369, 207-225.
"""

import math

import numpy as np


def _lattice_sum(order: int) -> float:
    """Sum of w^-order over the non-zero Gaussian integers w; pi for order 2 (Eisenstein series at tau = i)."""
    if order == 2:
        return math.pi
    if order % 4:
        return 0.0
    zeta = sum(j ** -float(order) for j in range(1, 2000))
    q = math.exp(-2 * math.pi)
    series = sum(j ** (order - 1) * q**j / (1 - q**j) for j in range(1, 60))
    return 2 * zeta + 2 * (2 * math.pi) ** order / math.factorial(order - 1) * series


def disc_array_conductivity(radius: float, ratio: float, orders: int = 20) -> float:
    """Effective conductivity over the matrix's; `ratio` is the discs' over the matrix's, the cell's edge is 1."""
    odd = 2 * np.arange(orders) + 1
    sums = {order: _lattice_sum(order) for order in range(2, 4 * orders, 2)}
    matrix = np.zeros((orders, orders))
    for i, l in enumerate(odd):
        for j, m in enumerate(odd):
            # B_l = b_l a^l keeps the matrix well conditioned.
            matrix[i, j] = math.comb(int(m + l - 1), int(l)) * sums[int(m + l)] * radius ** float(m + l)
        matrix[i, i] += (1 + ratio) / (1 - ratio)
    load = np.zeros(orders)
    load[0] = radius
    return 1 - 2 * math.pi * np.linalg.solve(matrix, load)[0] * radius
