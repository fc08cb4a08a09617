"""Every block in DrugBAN's frame: it learns, a pair is answered the same alone, and the formulas are what they say."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from problems.drug_target import knowledge
from problems.drug_target.blocks import attend, pool
from problems.drug_target.reference import program
from tasks.recombine.genome import Catalogue, Genome, catalogue
from tasks.recombine.render import render
from tests.contract_suite import default_gene

BLOCKS = [item.block for item in knowledge.items() if item.block is not None]
FEATURES, RESIDUES = 9, 7
PLAIN = {"place": "unplaced", "message": "neighbours_mean", "attend": "bilinear", "pool": "bilinear_sum"}


def blocks() -> Catalogue:
    return catalogue(knowledge.template(), knowledge.items())


def with_block(slot: str, name: str) -> str:
    """The frame with one block in its slot and DrugBAN's in the others."""
    chosen = {**PLAIN, slot: name}
    genes = tuple((each, default_gene(blocks(), each, chosen[each])) for each in PLAIN)
    return render(Genome(genes), knowledge.template(), blocks())


def made(code: str) -> Any:
    module = ModuleType("candidate")
    exec(compile(code, "candidate", "exec"), module.__dict__)
    torch.manual_seed(0)
    return module.Model(FEATURES, RESIDUES)


def batch(size: int = 5, padding: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    made = torch.Generator().manual_seed(1)
    atoms_BNF = torch.randint(0, 2, (size, 8, FEATURES), generator=made).float()
    atoms_BNF[..., -1] = 1.0
    atoms_BNF[:, 8 - padding :] = 0.0
    bonds_BNN = torch.randint(0, 5, (size, 8, 8), generator=made)
    bonds_BNN = torch.tril(bonds_BNN, -1)
    bonds_BNN = bonds_BNN + bonds_BNN.transpose(1, 2)
    bonds_BNN[:, 8 - padding :] = 0
    bonds_BNN[:, :, 8 - padding :] = 0
    residues_BL = torch.randint(1, RESIDUES, (size, 30), generator=made)
    residues_BL[:, 26:] = 0
    return atoms_BNF, bonds_BNN, residues_BL


@pytest.mark.parametrize(("slot", "name"), [(block.slot, block.name) for block in BLOCKS])
def test_a_block_gives_finite_logits_and_gradients(slot: str, name: str) -> None:
    model = made(with_block(slot, name))
    logits_B = model(*batch())
    assert logits_B.shape == (5,)
    loss: Any = torch.nn.functional.binary_cross_entropy_with_logits(logits_B, torch.tensor([0.0, 1.0, 0.0, 1.0, 1.0]))
    loss.backward()
    missing = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    assert missing == []
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize(("slot", "name"), [(block.slot, block.name) for block in BLOCKS])
def test_a_pair_is_answered_the_same_alone(slot: str, name: str) -> None:
    model = made(with_block(slot, name)).eval()
    whole = model(*batch())
    alone = torch.cat([model(*(part[n : n + 1] for part in batch())) for n in range(5)])
    assert torch.allclose(whole, alone, atol=1e-5)


def test_every_combination_has_the_same_size() -> None:
    sizes = {sum(p.numel() for p in made(with_block(block.slot, block.name)).parameters()) for block in BLOCKS}
    assert len(sizes) == 1


def test_the_plain_frame_holds_drugban_and_places() -> None:
    frame = made(with_block("pool", "bilinear_sum"))
    seed = made(program("drugban"))
    extra = frame.where.weight.numel()
    assert sum(p.numel() for p in frame.parameters()) == sum(p.numel() for p in seed.parameters()) + extra


def test_sinkhorn_rows_sum_to_one_and_padding_gets_nothing() -> None:
    raw_BNL = torch.randn(2, 4, 6, generator=torch.Generator().manual_seed(0))
    there_BN1 = torch.tensor([[1.0, 1.0, 1.0, 0.0]] * 2)[..., None]
    map_BNL = attend.sinkhorn(raw_BNL, there_BN1, rounds=5)
    assert torch.allclose(map_BNL[:, :3].sum(-1), torch.ones(2, 3), atol=1e-4)
    assert map_BNL[:, 3].abs().max() == 0


def test_top_k_keeps_k_residues_per_atom() -> None:
    raw_BNL = torch.randn(2, 4, 9, generator=torch.Generator().manual_seed(0))
    assert ((attend.top_k_gates(raw_BNL, torch.ones(2, 4, 1), k=3) > 0).sum(-1) == 3).all()


def test_the_bilinear_sum_is_the_three_way_product() -> None:
    made = torch.Generator().manual_seed(0)
    map_BNL, v_BNK, q_BLK = (torch.randn(2, *shape, generator=made) for shape in ((4, 5), (4, 3), (5, 3)))
    expected = torch.einsum("bnl,bnk,blk->bk", map_BNL, v_BNK, q_BLK)
    assert torch.allclose(pool.bilinear_sum(map_BNL, v_BNK, q_BLK), expected, atol=1e-5)
