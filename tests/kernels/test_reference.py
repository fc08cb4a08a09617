"""The torch references: against each other in float64, and against flash-linear-attention's plain operators."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import torch
from evo_kernels import reference

from tests.kernels.samples import Sizes, draw, relative_error

FLOAT64_NOISE = 1e-12
FLOAT32_NOISE = 3e-6


def flas_plain_operators(rule: str) -> ModuleType:
    """One file of fla on its own: `import fla` costs ten seconds and more, and these operators need none of it."""
    package = importlib.util.find_spec("fla")
    if package is None or package.origin is None:
        pytest.skip("flash-linear-attention is not installed")
    path = Path(package.origin).parent / "ops" / rule / "naive.py"
    spec = importlib.util.spec_from_file_location(f"fla_naive_{rule}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("tokens", [1, 63, 64, 130])
def test_chunks_equal_steps(gated: bool, tokens: int) -> None:
    sample = draw(Sizes(batch=2, tokens=tokens, heads=2, value_heads=4, key_dim=16, value_dim=8, gated=gated))
    arguments = (sample.q_BTHK, sample.k_BTHK, sample.v_BTZV, sample.beta_BTZ, sample.g_BTZ)

    expected_o, expected_state = reference.recurrent(*arguments, initial_state=sample.state_NZKV)
    o, state = reference.chunked(*arguments, initial_state=sample.state_NZKV)

    assert relative_error(o, expected_o) < FLOAT64_NOISE
    assert relative_error(state, expected_state) < FLOAT64_NOISE


def test_chunks_have_the_gradients_of_steps() -> None:
    sample = draw(Sizes(tokens=70, gated=True))
    gradients = []
    for rule in (reference.recurrent, reference.chunked):
        leaves = sample.to(torch.float64)
        o, state = rule(
            leaves.q_BTHK,
            leaves.k_BTHK,
            leaves.v_BTZV,
            leaves.beta_BTZ,
            leaves.g_BTZ,
            initial_state=leaves.state_NZKV,
        )
        gradients.append(torch.autograd.grad(o.sin().sum() + state.cos().sum(), leaves.leaves()))
    for expected, actual in zip(*gradients, strict=True):
        assert relative_error(actual, expected) < FLOAT64_NOISE


@pytest.mark.parametrize("rule", [reference.recurrent, reference.chunked])
def test_packed_sequences_equal_separate_ones(rule: reference.WholeRule) -> None:
    lengths = (5, 0, 70, 1)
    sample = draw(Sizes(tokens=sum(lengths), gated=True), sequences=len(lengths))
    arguments = (sample.q_BTHK, sample.k_BTHK, sample.v_BTZV, sample.beta_BTZ, sample.g_BTZ)
    bounds = torch.tensor([0, 5, 5, 75, 76])

    o, state = rule(*arguments, initial_state=sample.state_NZKV, cu_seqlens=bounds)

    alone_o, alone_state = rule(*(x[:, 5:75] for x in arguments), initial_state=sample.state_NZKV[2:3])  # type: ignore[index]
    assert relative_error(o[:, 5:75], alone_o) < FLOAT64_NOISE
    assert relative_error(state[2:3], alone_state) < FLOAT64_NOISE
    assert torch.equal(state[1], sample.state_NZKV[1])


def test_half_precision_computes_in_float32() -> None:
    sample = draw(Sizes(tokens=20))
    halves = sample.to(torch.bfloat16)

    o, state = reference.recurrent(halves.q_BTHK, halves.k_BTHK, halves.v_BTZV, halves.beta_BTZ)

    q, k, v, beta = (x.double() for x in halves.leaves()[:4])
    exact, _ = reference.recurrent(q, k, v, beta)
    assert (o.dtype, state.dtype) == (torch.bfloat16, torch.float32)
    assert relative_error(o, exact) < 2**-8


def test_delta_rule_agrees_with_flas_plain_operators() -> None:
    naive = flas_plain_operators("delta_rule")
    sample = draw(Sizes(batch=2, tokens=64, heads=2, value_heads=2, key_dim=8, value_dim=8)).to(torch.float32)
    arguments = (sample.q_BTHK, sample.k_BTHK, sample.v_BTZV, sample.beta_BTZ)
    head_first = [x.transpose(1, 2) for x in arguments]

    o, state = reference.recurrent(*arguments)

    for theirs_o, theirs_state in (
        naive.delta_rule_recurrence(*head_first),
        naive.delta_rule_chunkwise(*head_first),
    ):
        assert relative_error(o, theirs_o.transpose(1, 2)) < FLOAT32_NOISE
        assert relative_error(state, theirs_state) < FLOAT32_NOISE


def test_gated_delta_rule_agrees_with_flas_plain_operators() -> None:
    naive = flas_plain_operators("gated_delta_rule")
    sample = draw(Sizes(batch=2, tokens=70, heads=2, value_heads=2, key_dim=8, value_dim=8, gated=True)).to(
        torch.float32
    )
    q, k, v, beta, g, first = sample.leaves()

    o, state = reference.recurrent(q, k, v, beta, g, scale=0.5, initial_state=first)

    common = {"scale": 0.5, "initial_state": first, "output_final_state": True}
    for theirs_o, theirs_state in (
        naive.naive_recurrent_gated_delta_rule(q, k, v, beta, g, **common),
        naive.naive_chunk_gated_delta_rule(q, k, v, g, beta, **common),
    ):
        assert relative_error(o, theirs_o) < FLOAT32_NOISE
        assert relative_error(state, theirs_state) < FLOAT32_NOISE
