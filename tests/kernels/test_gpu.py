"""On a device: bf16 against float64, and against flash-linear-attention's kernels. Run with `pytest -m gpu`."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from evo_kernels import chunk_delta_rule, chunk_gated_delta_rule, reference
from torch import Tensor

from tests.kernels.samples import Sample, Sizes, draw

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
#: A bf16 number is within 2^-9 of what it rounds; a gradient passes several roundings.
BF16_NOISE = 1.5e-2
#: Errors of two correct kernels in bf16 differ a little; more than this is worse.
NO_WORSE = 1.25

Answers = list[Tensor]


def answers(rule: Callable[..., tuple[Tensor, Tensor]], sample: Sample, **options: Any) -> Answers:
    """Outputs, final states and all gradients."""
    q, k, v, beta, g = sample.q_BTHK, sample.k_BTHK, sample.v_BTZV, sample.beta_BTZ, sample.g_BTZ
    o, state = rule(q, k, v, beta, g, initial_state=sample.state_NZKV, **options)
    generator = torch.Generator("cpu").manual_seed(1)
    weights = torch.randn(o.shape, generator=generator, dtype=torch.float64).to(o.device)
    loss = (o.double() * weights).sum() + state.double().cos().sum()
    return [o, state, *torch.autograd.grad(loss, sample.leaves())]


def ours(q: Tensor, k: Tensor, v: Tensor, beta: Tensor, g: Tensor | None, **options: Any) -> tuple[Tensor, Tensor]:
    rule = chunk_delta_rule(q, k, v, beta, output_final_state=True, **options) if g is None else None
    o, state = rule or chunk_gated_delta_rule(q, k, v, g, beta, output_final_state=True, **options)  # type: ignore[arg-type]
    assert state is not None
    return o, state


def theirs(q: Tensor, k: Tensor, v: Tensor, beta: Tensor, g: Tensor | None, **options: Any) -> tuple[Tensor, Tensor]:
    ops = pytest.importorskip("fla.ops")
    if g is None:
        found = ops.chunk_delta_rule(q, k, v, beta, output_final_state=True, **options)
    else:
        found = ops.chunk_gated_delta_rule(q, k, v, g, beta, output_final_state=True, **options)
    return found[0], found[1]


def errors(found: Answers, exact: Answers) -> list[float]:
    """Relative, in the Euclidean norm."""
    pairs = [(a.detach().double(), b.detach().double()) for a, b in zip(found, exact, strict=True)]
    return [float((a - b).norm() / b.norm()) for a, b in pairs]


def halves_and_doubles(sizes: Sizes, sequences: int | None = None) -> tuple[Sample, Sample]:
    halves = draw(sizes, sequences=sequences).to(torch.bfloat16, "cuda")
    return halves, halves.to(torch.float64, "cuda")


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("dims", [(64, 64), (128, 128), (256, 256), (64, 128), (256, 64)])
@pytest.mark.parametrize("tokens", [1, 200, 1024])
def test_bf16_against_float64(gated: bool, dims: tuple[int, int], tokens: int) -> None:
    sizes = Sizes(2, tokens, 2, 4, *dims, gated)
    halves, doubles = halves_and_doubles(sizes)
    assert max(errors(answers(ours, halves), answers(reference.recurrent, doubles))) < BF16_NOISE


@pytest.mark.parametrize("gated", [False, True])
def test_packed_bf16_against_float64(gated: bool) -> None:
    offsets = [0, 1, 130, 130, 194, 700]
    bounds = torch.tensor(offsets, device="cuda")
    halves, doubles = halves_and_doubles(Sizes(1, offsets[-1], 2, 2, 64, 64, gated), len(list(pairwise(offsets))))
    found = answers(ours, halves, cu_seqlens=bounds)
    assert max(errors(found, answers(reference.recurrent, doubles, cu_seqlens=bounds))) < BF16_NOISE


def test_float32_is_exact() -> None:
    sample = draw(Sizes(1, 200, 2, 2, 128, 128, gated=True))
    found = answers(ours, sample.to(torch.float32, "cuda"))
    assert max(errors(found, answers(reference.recurrent, sample.to(torch.float64, "cuda")))) < 1e-5


@pytest.mark.parametrize("gated", [False, True])
def test_two_runs_are_equal(gated: bool) -> None:
    """A race would show as a difference, sooner or later."""
    halves, _ = halves_and_doubles(Sizes(4, 1000, 4, 4, 128, 128, gated))
    first = answers(ours, halves)
    for _ in range(5):
        assert all(torch.equal(a, b) for a, b in zip(first, answers(ours, halves), strict=True))


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("dim", [64, 128])
def test_errors_are_no_larger_than_flas(gated: bool, dim: int) -> None:
    halves, doubles = halves_and_doubles(Sizes(1, 1024, 4, 4, dim, dim, gated))
    exact = answers(reference.recurrent, doubles)
    fla_errors = errors(answers(theirs, halves), exact)
    assert max(fla_errors) < BF16_NOISE, "fla's own gradients are wrong here: an old Triton, so nothing is compared"
    for mine, its in zip(errors(answers(ours, halves), exact), fla_errors, strict=True):
        assert mine < NO_WORSE * its
