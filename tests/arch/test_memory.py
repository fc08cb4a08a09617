"""The chunked core against its recurrence, and both against fla's naive operators, forward and backward."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import Tensor

from arch.inside.mixers import backends, decayed_attention, delta_rule, gated_delta_rule, linear_attention
from arch.inside.mixers.chunked import chunked
from arch.inside.mixers.stepwise import stepwise

RULES = ["linear", "decay", "channel decay", "delta", "gated delta", "channel gated delta"]
LENGTHS = [1, 7, 64, 97, 130]


def inputs(rule: str, length: int, dtype: torch.dtype = torch.float64, strength: float = 1.0) -> dict[str, Any]:
    made = torch.Generator().manual_seed(length)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=made, dtype=torch.float64)

    b, h, width = 2, 3, 8
    q, k = (torch.nn.functional.normalize(normal(b, length, h, width), dim=-1) for _ in range(2))
    tensors = {"q_BTHK": q, "k_BTHK": k, "v_BTHV": normal(b, length, h, 5)}
    if "decay" in rule or "gated" in rule:
        shape = (b, length, h, width) if "channel" in rule else (b, length, h)
        tensors["g"] = torch.nn.functional.logsigmoid(normal(*shape)) * strength
    if "delta" in rule:
        tensors["beta_BTH"] = normal(b, length, h).sigmoid()
    return {name: value.to(dtype).requires_grad_() for name, value in tensors.items()}


def gradients(function: Any, tensors: dict[str, Tensor]) -> list[Tensor]:
    out, state = function(**tensors)
    weight = torch.randn(out.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(out.dtype)
    loss = (out * weight).sum() + state.sin().sum()
    return list(torch.autograd.grad(loss, list(tensors.values())))


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("rule", RULES)
def test_chunks_and_steps_agree_forward_and_backward(rule: str, length: int) -> None:
    tensors = inputs(rule, length)
    for ours, plain in zip(chunked(**tensors), stepwise(**tensors), strict=True):
        torch.testing.assert_close(ours, plain, rtol=0, atol=1e-12)
    for ours, plain in zip(gradients(chunked, tensors), gradients(stepwise, tensors), strict=True):
        torch.testing.assert_close(ours, plain, rtol=0, atol=1e-10)


@pytest.mark.parametrize("rule", RULES)
def test_single_precision_is_close_to_double(rule: str) -> None:
    exact, _ = stepwise(**inputs(rule, 250))
    single, _ = chunked(**inputs(rule, 250, torch.float32))
    assert (single.double() - exact).abs().max() < 2e-6
    half, _ = chunked(**inputs(rule, 250, torch.bfloat16))
    assert half.dtype == torch.bfloat16
    assert (half.double() - exact).abs().max() < 0.1


@pytest.mark.parametrize("rule", ["decay", "channel decay", "gated delta", "channel gated delta"])
def test_a_very_strong_decay_neither_overflows_nor_loses_gradients(rule: str) -> None:
    tensors = inputs(rule, 130, torch.float32, strength=200.0)
    plain, _ = stepwise(**tensors)
    torch.testing.assert_close(chunked(**tensors)[0], plain, rtol=0, atol=1e-5)
    assert all(gradient.isfinite().all() for gradient in gradients(chunked, tensors))


@pytest.mark.parametrize("rule", RULES)
def test_a_sequence_can_be_cut_anywhere(rule: str) -> None:
    tensors = inputs(rule, 97)
    whole, last = chunked(**tensors)
    first, state = chunked(**{name: value[:, :40] for name, value in tensors.items()})
    second, end = chunked(**{name: value[:, 40:] for name, value in tensors.items()}, state_BHKV=state)
    torch.testing.assert_close(torch.cat([first, second], 1), whole, rtol=0, atol=1e-12)
    torch.testing.assert_close(end, last, rtol=0, atol=1e-12)


def heads_first(tensors: dict[str, Tensor]) -> list[Tensor]:
    return [tensors[name].transpose(1, 2) for name in ("q_BTHK", "k_BTHK", "v_BTHV", "beta_BTH")]


def oracle(rule: str, tensors: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """fla's naive operators. Argument orders differ between them, hence the names."""
    if rule == "delta":
        from fla.ops.delta_rule.naive import delta_rule_recurrence

        out, state = delta_rule_recurrence(*heads_first(tensors))
        return out.transpose(1, 2), state
    if rule == "gated delta":
        from fla.ops.gated_delta_rule.naive import naive_recurrent_gated_delta_rule as recurrent
    else:
        from fla.ops.kda.naive import naive_recurrent_kda as recurrent
    names = {"q": "q_BTHK", "k": "k_BTHK", "v": "v_BTHV", "g": "g", "beta": "beta_BTH"}
    out, state = recurrent(**{theirs: tensors[ours] for theirs, ours in names.items()}, output_final_state=True)
    return out, state


@pytest.mark.slow  # importing fla takes six seconds
@pytest.mark.filterwarnings("ignore:Triton is not supported")
@pytest.mark.parametrize("rule", ["delta", "gated delta", "channel gated delta"])
def test_parity_with_fla_forward_and_backward(rule: str) -> None:
    pytest.importorskip("fla")
    tensors = inputs(rule, 97, torch.float32)
    for ours, theirs in zip(chunked(**tensors), oracle(rule, tensors), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=2e-6)
    theirs_too = gradients(lambda **kept: oracle(rule, kept), tensors)
    for ours, theirs in zip(gradients(chunked, tensors), theirs_too, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=3e-5)


def test_the_named_memories_are_the_core() -> None:
    t = inputs("gated delta", 33)
    q, k, v, g, beta = (t[name] for name in ("q_BTHK", "k_BTHK", "v_BTHV", "g", "beta_BTH"))
    for named, plain in [
        (linear_attention(q, k, v), stepwise(q, k, v)),
        (decayed_attention(q, k, v, g), stepwise(q, k, v, g)),
        (delta_rule(q, k, v, beta), stepwise(q, k, v, None, beta)),
        (gated_delta_rule(q, k, v, g, beta), stepwise(q, k, v, g, beta)),
        (gated_delta_rule(q, k, v, g, beta, steps=True), stepwise(q, k, v, g, beta)),
    ]:
        torch.testing.assert_close(named[0], plain[0], rtol=0, atol=1e-12)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("backend", ["fla", "ours"])
def test_a_missing_back_end_is_one_line(backend: backends.Backend) -> None:
    t = inputs("delta", 5)
    backends.use(backend)
    try:
        with pytest.raises(backends.BackendUnavailable, match=r"^the back end .* needs CUDA.*use\('torch'\)$"):
            delta_rule(t["q_BTHK"], t["k_BTHK"], t["v_BTHV"], t["beta_BTH"])
    finally:
        backends.use("torch")


def test_no_back_end_is_imported_before_it_is_called() -> None:
    script = "import arch.inside.mixers, sys; print([m for m in ('fla', 'evo_kernels', 'triton') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow  # importing fla takes six seconds
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("rule", RULES)
def test_fla_takes_the_arguments_that_it_would_be_given(rule: str) -> None:
    pytest.importorskip("fla")
    tensors = inputs(rule, 5)
    g, beta = tensors.get("g"), tensors.get("beta_BTH")
    module, name = (
        backends.FLA_CHANNEL[beta is not None] if "channel" in rule else backends.FLA[(g is not None, beta is not None)]
    )
    signature = inspect.signature(getattr(importlib.import_module(module), name))
    bound = signature.bind(q=0, k=0, v=0, **backends.options(g, beta, 1.0, None)).arguments
    assert "kwargs" not in bound  # some take any name and ignore it
