"""Tests of layer.py beside this file: `python test_layer.py` or pytest. Needs torch alone."""

import importlib

import torch

layer = importlib.import_module("layer")
WIDTH, HEADS, HEAD_DIM = 64, 2, 16


class Cache(list):
    """As small as a cache can be: what fla's keeps of a layer."""

    def update(self, recurrent_state, layer_idx, offset):
        """Keep a layer's state."""
        self[layer_idx:] = [{"recurrent_state": recurrent_state}]


def made(dtype=torch.float64):
    """A layer with the same parameters each time."""
    torch.manual_seed(0)
    return layer.EvolvedLayer(WIDTH, HEADS, HEAD_DIM, layer_idx=0).to(dtype).eval()


def states(length, dtype=torch.float64):
    """An input of unit size."""
    return torch.randn(2, length, WIDTH, generator=torch.Generator().manual_seed(1), dtype=dtype)


@torch.no_grad()
def test_shape_and_dtype_are_those_of_the_input():
    """In three dtypes and at odd lengths."""
    for dtype in (torch.float64, torch.float32, torch.bfloat16):
        for length in (1, 7, 65):
            out, weights, cache = made(dtype)(states(length, dtype))
            assert (out.shape, out.dtype, weights, cache) == ((2, length, WIDTH), dtype, None, None)


@torch.no_grad()
def test_it_is_causal():
    """Late inputs do not move early outputs."""
    x, other = states(97), states(97)
    other[:, 40:] += 1.0
    one, two = made()(x)[0], made()(other)[0]
    assert float((one - two)[:, :40].abs().max()) < 1e-12
    assert float((one - two)[:, 40:].abs().max()) > 1e-6


@torch.no_grad()
def test_step_by_step_is_the_same_function():
    """A prompt and then single tokens through a cache, against all at once."""
    x, cache, mixed = states(12), Cache(), made()
    pieces = [mixed(part, past_key_values=cache, use_cache=True)[0] for part in x.split([5, 1, 1, 5], dim=1)]
    whole = mixed(x)[0]
    assert float((torch.cat(pieces, 1) - whole).abs().max() / whole.abs().max()) < 1e-4


def test_every_parameter_gets_a_finite_gradient():
    """In float32, as in training."""
    mixed = made(torch.float32).train()
    mixed(states(33, torch.float32))[0].square().mean().backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in mixed.parameters())


if __name__ == "__main__":
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            test()
            print("passed", name)
