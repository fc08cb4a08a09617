"""Slot `place`: what a residue's place in the sequence does. `place(h_BDL, offset_BDL) -> h_BDL`."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor


def unplaced(h_BDL: Tensor, offset_BDL: Tensor) -> Tensor:
    """A window of residues means the same wherever it lies in the sequence, as in DrugBAN.

    The right choice if binding sites can lie anywhere, and blind to everything that depends on the place.
    """
    return h_BDL + 0.0 * offset_BDL


def placed_by_adding(h_BDL: Tensor, offset_BDL: Tensor, *, weight: Annotated[float, (0.1, 2.0), "log"] = 0.5) -> Tensor:
    """A learned vector for eight soft places along the sequence is added to each window.

    Later layers can tell early from late sites; a product with the drug's features still has to undo the sum.
    """
    return h_BDL + weight * offset_BDL


def placed_by_gating(h_BDL: Tensor, offset_BDL: Tensor, *, bias: Annotated[float, (0.0, 4.0)] = 1.0) -> Tensor:
    """A learned gate for eight soft places along the sequence opens or shuts each feature.

    A shut gate removes sites that do not count from the sum. A positive bias starts with the gates open.
    """
    return h_BDL * (bias + 4.0 * offset_BDL).sigmoid()


def placed_by_scaling(
    h_BDL: Tensor, offset_BDL: Tensor, *, weight: Annotated[float, (0.2, 4.0), "log"] = 1.0
) -> Tensor:
    """A learned factor between 0 and 2 for eight soft places along the sequence.

    Like a gate, but it can strengthen a place too.
    """
    return h_BDL * (1.0 + (weight * offset_BDL).tanh())
