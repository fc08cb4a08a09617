"""What follows makes the program above a layer that is called like those of fla and Hugging Face models."""

import torch as _torch
from torch import nn as _nn


class EvolvedLayer(_nn.Module):
    """A token mixer (B, T, hidden_size) -> (B, T, hidden_size), used like fla's layers.

    `forward` returns (output, None, past_key_values). Without a cache all tokens are computed at once. With one
    (`use_cache=True`), they are computed token by token and the state is kept under "recurrent_state".
    Padding on the right needs nothing; padding on the left is refused, since the mixer would read it.
    """

    def __init__(self, hidden_size, num_heads, head_dim=None, layer_idx=None, **unused):
        super().__init__()
        if unused:
            raise TypeError(f"EvolvedLayer has no {', '.join(sorted(unused))}: hidden_size, num_heads, head_dim")
        self.hidden_size, self.num_heads, self.layer_idx = hidden_size, num_heads, layer_idx
        self.head_dim = hidden_size // num_heads if head_dim is None else head_dim
        self.mixer = Mixer(hidden_size, num_heads, self.head_dim)

    def forward(
        self,
        hidden_states,
        attention_mask=None,
        past_key_values=None,
        use_cache=False,
        output_attentions=False,
        **kwargs,
    ):
        """The mixed states (B, T, hidden_size), None for attention weights, and the cache that was given."""
        if kwargs.get("cu_seqlens") is not None:
            raise ValueError("EvolvedLayer takes no cu_seqlens: give sequences of different length as a batch")
        if attention_mask is not None and bool((attention_mask[:, :1] == 0).any()):
            raise ValueError("EvolvedLayer takes no padding on the left: pad on the right")
        if past_key_values is None or not use_cache:
            return self.mixer(hidden_states), None, past_key_values
        output, state = self.mixer.recurrent(hidden_states, self._state(past_key_values))
        length = hidden_states.shape[1]
        past_key_values.update(recurrent_state=state, layer_idx=self.layer_idx, offset=length)
        return output, None, past_key_values

    def _state(self, past_key_values):
        """What the cache holds of this layer, None at the start."""
        if self.layer_idx is None:
            raise ValueError("EvolvedLayer needs its layer_idx to use a cache")
        if len(past_key_values) <= self.layer_idx:
            return None
        held = past_key_values[self.layer_idx]
        return None if held is None else held["recurrent_state"]


def use_kernels(name):
    """Move every layer of this file to "torch", "fla" or "ours" (evo_kernels); the last two need CUDA."""
    mixers.use(name)


if __name__ == "__main__":
    _layer = EvolvedLayer(64, 2, 16)
    print(_layer, sum(p.numel() for p in _layer.parameters()), "parameters;", _layer(_torch.randn(1, 7, 64))[0].shape)
