"""What a candidate may call: linear-time memories, small layers, and nothing that judges.

Inside the sandbox this package is named `mixers` (only arch/inside is bound there); outside it is `arch.inside.mixers`.
It is one copy: trainer, checks, reference mixers and tests all use it. Importing it imports torch.
"""

from .layers import l2_norm, rms_norm, rope, short_conv, split_heads
from .memory import decayed_attention, delta_rule, gated_delta_rule, linear_attention

__all__ = [
    "decayed_attention",
    "delta_rule",
    "gated_delta_rule",
    "l2_norm",
    "linear_attention",
    "rms_norm",
    "rope",
    "short_conv",
    "split_heads",
]
