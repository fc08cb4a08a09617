"""Slot `pool`: how weighed pairs become one vector. `pool(map_BNL, v_BNK, q_BLK) -> joint_BK`.

`(v * (map @ q)).sum(1)` is the bilinear sum without its three-way product, in a quarter of the time.
"""

from __future__ import annotations

from typing import Annotated

from torch import Tensor


def bilinear_sum(map_BNL: Tensor, v_BNK: Tensor, q_BLK: Tensor) -> Tensor:
    """The sum over all pairs of atom and residue, as in DrugBAN.

    Large molecules and long proteins get large sums; the norm behind it takes part of that back.
    """
    return (v_BNK * (map_BNL @ q_BLK)).sum(1)


def bilinear_strongest(
    map_BNL: Tensor, v_BNK: Tensor, q_BLK: Tensor, *, sharpness: Annotated[float, (0.2, 5.0), "log"] = 1.0
) -> Tensor:
    """For every feature the atoms with the strongest interaction, by a soft maximum.

    One fitting group decides, and what fits badly does not dilute it.
    """
    each_BNK = v_BNK * (map_BNL @ q_BLK)
    return ((sharpness * each_BNK).softmax(1) * each_BNK).sum(1)


def marginal_pooling(
    map_BNL: Tensor, v_BNK: Tensor, q_BLK: Tensor, *, temperature: Annotated[float, (0.2, 5.0), "log"] = 1.0
) -> Tensor:
    """Atoms are averaged by their share of the map and residues by theirs; the two averages are multiplied.

    Marginalisation by domain, one of the paper's ideas (section 5.4). What binds where is settled before the product,
    so the joint vector no longer knows which atom met which residue.
    """
    atom_BN1 = (map_BNL.mean(2, keepdim=True) / temperature).softmax(1)
    residue_B1L = (map_BNL.mean(1, keepdim=True) / temperature).softmax(2)
    return v_BNK.shape[1] * (atom_BN1 * v_BNK).sum(1) * (residue_B1L @ q_BLK).squeeze(1)


def sum_and_marginals(
    map_BNL: Tensor, v_BNK: Tensor, q_BLK: Tensor, *, share: Annotated[float, (0.1, 0.9)] = 0.5
) -> Tensor:
    """The bilinear sum, and beside it the product of the marginal averages.

    Both views in one vector; the share says how much of it is marginal.
    """
    atom_BN1, residue_B1L = map_BNL.mean(2, keepdim=True).softmax(1), map_BNL.mean(1, keepdim=True).softmax(2)
    marginal_BK = v_BNK.shape[1] * (atom_BN1 * v_BNK).sum(1) * (residue_B1L @ q_BLK).squeeze(1)
    return (1.0 - share) * (v_BNK * (map_BNL @ q_BLK)).sum(1) + share * marginal_BK
