"""The kernels in Triton's interpreter, against float64 autograd of the recurrence.

Not collected by the outer pytest (the file has no `test_` name): test_interpreted.py starts a process of its own for
it, because whether a kernel is compiled or interpreted is settled when its file is imported.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from evo_kernels import chunk_delta_rule, chunk_gated_delta_rule, launch, reference
from evo_kernels.jit import interpreted
from evo_kernels.plan import Plan
from torch import Tensor

from tests.kernels.samples import Sample, Sizes, draw, relative_error

#: Measured: below 8e-7 for outputs and gradients of unit keys; the recurrence itself in float32 is no nearer.
NOISE = 3e-6
#: A float16 number is within 2^-11 of what it rounds; a gradient passes half a dozen roundings.
HALF_NOISE = 6 * 2**-11


@pytest.fixture(autouse=True, scope="session")
def _in_the_interpreter() -> None:
    torch.set_num_threads(1)
    assert interpreted(), "this file is for a process with TRITON_INTERPRET=1"


def ours(sample: Sample, **options: Any) -> tuple[Tensor, Tensor]:
    """The rule that the sample is for, with the final state."""
    q, k, v, beta, g = sample.q_BTHK, sample.k_BTHK, sample.v_BTZV, sample.beta_BTZ, sample.g_BTZ
    options = {"initial_state": sample.state_NZKV, "output_final_state": True, **options}
    if g is None:
        o, state = chunk_delta_rule(q, k, v, beta, **options)
    else:
        o, state = chunk_gated_delta_rule(q, k, v, g, beta, **options)
    assert state is not None
    return o, state


def exact(sample: Sample, **options: Any) -> tuple[Tensor, Tensor]:
    """The recurrence."""
    q, k, v, beta, g = sample.q_BTHK, sample.k_BTHK, sample.v_BTZV, sample.beta_BTZ, sample.g_BTZ
    return reference.recurrent(q, k, v, beta, g, **{"initial_state": sample.state_NZKV, **options})


def gradients(sample: Sample, o: Tensor, state: Tensor) -> tuple[Tensor, ...]:
    """Of a scalar that gives every output and every entry of the state another weight."""
    return torch.autograd.grad(o.sin().sum() + state.cos().sum(), sample.leaves())


def compare(sample: Sample, bounds: Tensor | None = None, noise: float = NOISE, **options: Any) -> None:
    """Outputs, final states and all gradients."""
    single, double = sample.to(torch.float32), sample.to(torch.float64)
    o, state = ours(single, cu_seqlens=bounds, **options)
    expected_o, expected_state = exact(double, cu_seqlens=bounds)
    assert relative_error(o, expected_o) < noise
    assert relative_error(state, expected_state) < noise
    expected = gradients(double, expected_o, expected_state)
    for name, mine, theirs in zip("qkvbgs", gradients(single, o, state), expected, strict=False):
        assert relative_error(mine, theirs) < noise, name


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("tokens", [1, 64, 150])
def test_equal_lengths(gated: bool, tokens: int) -> None:
    compare(draw(Sizes(batch=2, tokens=tokens, gated=gated)))


def test_value_heads_share_query_heads() -> None:
    compare(draw(Sizes(tokens=70, heads=2, value_heads=4, key_dim=16, value_dim=32, gated=True)))


@pytest.mark.parametrize("every", [1, 3])
def test_packed_sequences_with_any_number_of_kept_states(every: int) -> None:
    lengths = (33, 0, 16, 1, 50)
    bounds = torch.tensor([0, *torch.tensor(lengths).cumsum(0).tolist()])
    compare(
        draw(Sizes(tokens=sum(lengths), gated=True), sequences=len(lengths)), bounds, keep_every=every, chunk_size=16
    )


def test_recomputing_changes_nothing() -> None:
    found = []
    for recompute in (False, True):
        sample = draw(Sizes(tokens=70, gated=True)).to(torch.float32)
        found.append(gradients(sample, *ours(sample, recompute=recompute)))
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


@pytest.mark.parametrize(("gradients_on", "recompute"), [(True, False), (True, True), (False, False)])
def test_only_a_backward_pass_to_come_is_kept_for(
    gradients_on: bool, recompute: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    forward = launch.forward

    def spy(rule: launch.Rule, made: Plan, keep: bool, keep_final: bool) -> Any:
        asked.append(keep)
        return forward(rule, made, keep, keep_final)

    monkeypatch.setattr(launch, "forward", spy)
    with torch.set_grad_enabled(gradients_on):
        ours(draw(Sizes(tokens=16)).to(torch.float32), recompute=recompute)
    assert asked == [gradients_on and not recompute]


def test_without_states_and_with_a_scale() -> None:
    single, double = (draw(Sizes(tokens=40)).to(dtype) for dtype in (torch.float32, torch.float64))
    o, state = chunk_delta_rule(single.q_BTHK, single.k_BTHK, single.v_BTZV, single.beta_BTZ, 0.3)
    expected, _ = reference.recurrent(double.q_BTHK, double.k_BTHK, double.v_BTZV, double.beta_BTZ, scale=0.3)
    assert state is None
    assert relative_error(o, expected) < NOISE
    found = torch.autograd.grad(o.sin().sum(), single.leaves()[:4])
    wanted = torch.autograd.grad(expected.sin().sum(), double.leaves()[:4])
    assert all(relative_error(a, b) < NOISE for a, b in zip(found, wanted, strict=True))


def test_a_gradient_of_the_final_state_alone() -> None:
    single, double = (draw(Sizes(tokens=40, gated=True)).to(dtype) for dtype in (torch.float32, torch.float64))
    mine = torch.autograd.grad(ours(single)[1].sin().sum(), single.leaves()[1:])
    theirs = torch.autograd.grad(exact(double)[1].sin().sum(), double.leaves()[1:])
    assert all(relative_error(a, b) < NOISE for a, b in zip(mine, theirs, strict=True))


def test_rows_of_length_one_inside() -> None:
    sample = draw(Sizes(tokens=40)).to(torch.float64)
    q, k = (3 * x for x in (sample.q_BTHK, sample.k_BTHK))
    o, _ = chunk_delta_rule(
        q.float(), k.float(), sample.v_BTZV.float(), sample.beta_BTZ.float(), use_qk_l2norm_in_kernel=True
    )
    unit = torch.nn.functional.normalize
    expected, _ = reference.recurrent(unit(q, dim=-1), unit(k, dim=-1), sample.v_BTZV, sample.beta_BTZ)
    assert relative_error(o, expected) < NOISE


def test_equal_keys_and_full_rates() -> None:
    """The case in which an inverse by repeated squaring loses every digit."""
    sample = draw(Sizes(tokens=64))
    sample.k_BTHK.copy_(sample.k_BTHK[:, :1].expand_as(sample.k_BTHK))
    sample.beta_BTZ.fill_(1.0)
    compare(sample)


def test_strong_gates_do_not_overflow() -> None:
    sample = draw(Sizes(tokens=70, gated=True))
    assert sample.g_BTZ is not None
    sample.g_BTZ.mul_(200)  # sums far below the smallest exponent of float32, whose negative would be infinite
    compare(sample, noise=3e-5)  # sums of gates near -10^3 leave fewer digits to their differences


def test_no_gradient_of_a_gradient() -> None:
    sample = draw(Sizes(tokens=16)).to(torch.float32)
    (dv,) = torch.autograd.grad(ours(sample)[0].sin().sum(), sample.v_BTZV, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        torch.autograd.backward(dv.sum())


def test_half_precision_rounds_and_no_more() -> None:
    """float16, because the interpreter cannot multiply bf16: the casts of the kernels are the same for both."""
    halves = draw(Sizes(tokens=150, key_dim=32, value_dim=32, gated=True)).to(torch.float16)
    same = halves.to(torch.float64)
    o, state = ours(halves)
    expected_o, expected_state = exact(same)
    assert (o.dtype, state.dtype) == (torch.float16, torch.float32)
    assert relative_error(o, expected_o) < HALF_NOISE
    expected = gradients(same, expected_o, expected_state)
    for mine, theirs in zip(gradients(halves, o.float(), state), expected, strict=True):
        assert mine.dtype == torch.float16
        assert relative_error(mine, theirs) < HALF_NOISE


def test_half_precision_of_another_kind_is_refused() -> None:
    sample = draw(Sizes(tokens=16)).to(torch.bfloat16)
    with pytest.raises(ValueError, match="bf16 wrongly"):
        ours(sample)


@pytest.mark.slow
@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("dims", [(64, 64), (128, 128), (256, 256), (64, 256), (256, 64), (128, 32)])
def test_head_dimensions(gated: bool, dims: tuple[int, int]) -> None:
    compare(draw(Sizes(tokens=130, key_dim=dims[0], value_dim=dims[1], gated=gated)))


@pytest.mark.slow
@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("chunk_size", [16, 32, 64])
@pytest.mark.parametrize("tokens", [1, 15, 16, 17, 127, 128, 129, 256])
def test_chunk_sizes_and_lengths(gated: bool, chunk_size: int, tokens: int) -> None:
    compare(draw(Sizes(tokens=tokens, value_dim=32, gated=gated), seed=tokens), chunk_size=chunk_size)


@pytest.mark.slow
@pytest.mark.parametrize("every", [1, 2, 3, 4, 8])
def test_stretches(every: int) -> None:
    compare(draw(Sizes(tokens=250, gated=True)), chunk_size=32, keep_every=every)
