"""What the Researcher is told: goal, program contract, how it is judged. Texts that domain.py fills in."""

from __future__ import annotations

KINDS = "All tensors of a call have one type: float32, float16 or bfloat16."
GOALS = {
    "traffic_efficiency": (
        "Write a Triton kernel for {title} that is right for every size and moves as few bytes as possible: "
        f"{{formula}}. {KINDS}"
    ),
    "speedup": (
        "Write a Triton kernel for {title} that is right for every size and as fast as possible on a GPU: "
        f"{{formula}}. {KINDS}"
    ),
}
PROGRAM_CONTRACT = """\
Define `{signature}` at the top level, and kernels under `@triton.jit` that it launches as `kernel[grid](...)`.
- It fills {outputs}, which hold NaN before, and returns nothing. Inputs stay as they are; nothing outside of the
  tensors is touched, not even read. Any sizes from 1 on, also odd ones: mask loads and stores, and give `other`.
- Matrices have stride 1 in their rows; rows may lie apart: use `.stride(0)`, for each tensor its own.
- The work is done in Triton. Of torch there are `torch.empty`, `empty_like`, `new_empty` for scratch, shapes, strides
  and views; anything that computes, fills or copies is refused.
- Compute in float32: `tl.load(...).to(tl.float32)`. The interpreter adds and multiplies bfloat16 wrongly, and sums of
  squares leave the range of float16. Store with `.to(out_ptr.dtype.element_ty)`.
- Values may be large, tiny, all equal, or zero. Every call has new values; two calls with the same values have to give
  the same bits.
- The language is small: functions, assignments to names, if, for, while; `tl`, `triton.cdiv`, `triton.next_power_of_2`,
  `math`, `torch.empty`. No other import, no lists, dictionaries, comprehensions or f-strings, no classes, no try, no
  assignment to attributes or entries, no autotuning, no printing. At the top level only functions and constants.
  Outside of kernels `tl` has its types alone.
- A kernel is launched by its own name, with its parameters and, if wanted, num_warps, num_stages, maxnreg; no `**`.
- Kernels are compiled for a GPU (compute capability {capability:.1f}) before they are interpreted: both have to accept
  them. For that, `launch` is called with tensors that have shapes and no values: allocate scratch with device=x.device.
- At most 32768 elements in one load or store of a program. About {cpu_s:g} CPU seconds for all calls together.
"""
NOTES = (
    "It runs in Triton's interpreter on a CPU, and no time is measured. What counts is memory traffic: the 32-byte "
    "sectors that each load and store of each program touches; nothing is cached, so what two programs load counts "
    "twice. A launch counts at least {busy} times what its busiest program moves, so spread the work evenly over "
    "{busy} programs or more; each launch costs {share:.0%} of the least possible bytes. traffic_efficiency is the "
    "least possible over what was counted. Few launches, every element loaded once, and several rows in a program so "
    "that what they share is loaded once: these make it high."
)
TIMED_NOTES = (
    "Every program runs in Triton's interpreter first, where it has to be right at many sizes. Then its kernels are "
    "compiled for compute capability {capability:.1f} and timed on the GPU at {cases}, in turns with the seed "
    "program, on fresh inputs, with L2 flushed. The fitness is the geometric mean of the speed-ups over the seed, from "
    "the first launch's start on the device to the last one's end; what Python needs to launch is not in it. Launches "
    "may depend on sizes and types, never on values. Tensors start at multiples of 256 bytes. The floor is every input "
    "read once and every output written once at the speed of a copy."
)
