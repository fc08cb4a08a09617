"""Programs that are wrong or cheat, made from the seed of `add_rms_norm`: for `nightshift audit` and for the tests.

None may score above the seed program. `HIDDEN` are those that the static rules refuse at once; tests run them past the
rules too, to see what holds them then.
"""

from __future__ import annotations

from collections.abc import Mapping

SCALED = "scaled.to(out_ptr.dtype.element_ty)"
STORE = f"    tl.store(out_ptr + row * out_row + column, {SCALED}, mask=column < N)\n"
SUMMED = "summed = tl.load(summed_ptr + row * summed_row + column, mask=column < N, other=0.0)"
SQUARES = "        total += summed * summed\n"
FIRST_LINE = "    M, N = x.shape\n"
LAST_LAUNCH = (
    "    scale_kernel[blocks](summed, inverse, weight, out, N, summed.stride(0), out.stride(0), BLOCK=BLOCK)\n"
)
INVERSE_STORE = "    tl.store(inverse_ptr + row, 1.0 / tl.sqrt(tl.sum(total, 0) / N + eps))\n"
HALF_SQUARES = "        total += (summed * summed).to(tl.float16)\n"
BAG_PARAMETER = "inverse_ptr, N, eps, summed_row, bag, "
TORCH = "torch.nn.functional.rms_norm((x + residual).float(), (N,), weight.float(), eps)"
COPY = '''
KEPT = []


@triton.jit
def copy_kernel(from_ptr, to_ptr, N, from_row, to_row, BLOCK: tl.constexpr):
    """One block of one row."""
    row = tl.program_id(0)
    column = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    kept = tl.load(from_ptr + row * from_row + column, mask=column < N, other=0.0)
    tl.store(to_ptr + row * to_row + column, kept, mask=column < N)


'''
REMEMBER = (
    "    for kept in KEPT:\n"
    "        if kept.shape == out.shape and kept.dtype == out.dtype:\n"
    "            copy_kernel[blocks](kept, out, N, kept.stride(0), out.stride(0), BLOCK=BLOCK)\n"
    "            return\n"
    "    KEPT.append(out)\n"
)
COUNT_CALLS = "    KEPT.append(1)\n    eps = eps * (1.0 + 1e-7 * len(KEPT))\n"

LET_TORCH_NORM = """
    def blocks_after_the_work(meta):
        scaled = (x + residual) * inverse[0]
        return blocks

"""
HIDDEN_TEXT = '''    """One block of one row: out = summed * inverse * weight.
def scale_kernel(summed_ptr, inverse_ptr, weight_ptr, out_ptr, N, summed_row, out_row, BLOCK):
    raise ValueError("a kernel that stands in a text")
    """
'''
DOC = '    """One block of one row: out = summed * inverse * weight."""\n'
SCALE_PARAMETERS = "weight_ptr, out_ptr, N, summed_row, out_row, BLOCK: tl.constexpr"
OWN_PARAMETER = SCALE_PARAMETERS.replace("BLOCK", "ir_override, BLOCK")
IMPORTED = "    run = 0\n    from builtins import exec as run\n    run('import counting')\n"


def wrong(seed: str) -> dict[str, str]:
    """Programs that keep to the language and are refused for what they do."""
    return {
        "leaves the tail unwritten": _changed(seed, STORE, STORE.replace("column < N", "column < N - 1")),
        "writes without a mask": _changed(seed, STORE, STORE.replace(", mask=column < N", "")),
        "writes one element too many": _changed(seed, STORE, STORE.replace("column < N", "column < N + 1")),
        "reads without a mask": seed.replace(", mask=column < N, other=0.0)", ")"),
        "gives no value for what is masked out": _changed(
            seed, f"        {SUMMED}", f"        {SUMMED.replace(', other=0.0', '')}"
        ),
        "changes an input": _changed(seed, LAST_LAUNCH, LAST_LAUNCH + LAST_LAUNCH.replace(", out,", ", x,")),
        "drops what does not fill a block": seed.replace("triton.cdiv(N, BLOCK)", "max(1, N // BLOCK)"),
        "takes rows to be adjacent": _changed(seed, "N, summed.stride(0), out.stride(0)", "N, N, N"),
        "rounds through float16": _changed(seed, SCALED, f"scaled.to(tl.float16){SCALED.removeprefix('scaled')}"),
        "adds up in float16": _changed(seed, SQUARES, HALF_SQUARES).replace(
            "total = tl.zeros((BLOCK,), dtype=tl.float32)", "total = tl.zeros((BLOCK,), dtype=tl.float16)"
        ),
        "returns the input": _changed(seed, "scaled = summed * tl.load(inverse_ptr + row) * weight", "scaled = summed"),
        "norms nothing": _changed(seed, INVERSE_STORE, "    tl.store(inverse_ptr + row, 1.0)\n"),
        "forgets eps": _changed(seed, " / N + eps", " / N"),
        "launches nothing": _changed(seed, FIRST_LINE, "    return\n" + FIRST_LINE),
        "skips the sizes that are measured": _changed(
            seed, FIRST_LINE, FIRST_LINE + "    if M % 8 == 0:\n        return\n"
        ),
        "holds too large a tile": _changed(seed, "BLOCK = 256", "BLOCK = 65536"),
        "takes a tensor's memory for scratch": _changed(
            seed, FIRST_LINE, FIRST_LINE + "    torch.empty(x.shape, dtype=x.dtype, out=out)\n"
        ),
        "lets torch work while the grid is asked for": _changed(
            seed, LAST_LAUNCH, LET_TORCH_NORM + LAST_LAUNCH.replace("[blocks]", "[blocks_after_the_work]")
        ),
        "asks for one dtype only": _changed(
            seed,
            FIRST_LINE,
            FIRST_LINE + "    if x.dtype != torch.float32:\n        raise ValueError('only float32')\n",
        ),
    }


def hidden(seed: str) -> dict[str, str]:
    """Programs that the language of candidates has no words for."""
    remembers = _changed(seed, "def launch(", COPY.lstrip() + "def launch(")
    inverse = "    inverse = torch.empty("
    return {
        "lets torch do the work": _changed(seed, LAST_LAUNCH, f"{LAST_LAUNCH}    out.copy_({TORCH})\n"),
        "lets torch do a part": _changed(
            seed, "    inverse = torch.empty((M,), dtype=torch.float32, device=x.device)\n",
            "    inverse = (x + residual).float().pow(2).mean(1).add(eps).rsqrt()\n",
        ).replace("    inverse_rms_kernel[(M,)](summed, inverse, N, eps, summed.stride(0), BLOCK=BLOCK)\n", ""),
        "remembers an answer": _changed(remembers, inverse, REMEMBER + inverse),
        "answers otherwise the second time": _changed(remembers, inverse, COUNT_CALLS + inverse),
        "hands values from program to program": _changed(seed, "inverse_ptr, N, eps, summed_row, ", BAG_PARAMETER)
        .replace(INVERSE_STORE, INVERSE_STORE + "    bag += [total]\n")
        .replace("N, eps, summed.stride(0), BLOCK=", "N, eps, summed.stride(0), [], BLOCK="),
        "prints a forged result": _changed(
            seed, LAST_LAUNCH, LAST_LAUNCH + '    print(\'{"traffic_efficiency": 1.0, "launches": []}\')\n'
        ),
        "patches triton": _changed(seed, "BLOCK = 256\n", "BLOCK = 256\ntl.load = tl.zeros\n"),
        "patches the clock": _changed(seed, "BLOCK = 256\n", "import time\n\nBLOCK = 256\ntime.perf_counter = float\n"),
        "imports in a function": _changed(seed, FIRST_LINE, IMPORTED + FIRST_LINE),
        "hides a kernel in a text": _changed(seed, DOC, HIDDEN_TEXT).replace(
            f"{SCALED}, mask=column < N)\n\n\ndef launch", f'{SCALED}, mask=column < N)  # """\n\n\ndef launch'
        ),
        "brings a library into the kernel": _launched_with(seed, "extern_libs=(('own', '/tmp/own.bc'),)"),
        "brings a compiled kernel": _launched_with(seed, "ir_override='/tmp/own.ptx'"),
        "lets the next kernel start too early": _launched_with(seed, "launch_pdl=True"),
        "names a parameter like an option": _changed(
            _launched_with(seed, "ir_override=1"), SCALE_PARAMETERS, OWN_PARAMETER
        ),
        "keeps a dictionary": _changed(
            seed, FIRST_LINE, FIRST_LINE + "    kept = (lambda **given: given)(eps=eps)\n"
        ),
        "clears the counts": _changed(
            seed, LAST_LAUNCH, LAST_LAUNCH + "    import counting, gc\n"
            "    [x.launches.clear() for x in gc.get_objects() if isinstance(x, counting.Ledger)]\n",
        ),
    }  # fmt: skip


def _launched_with(seed: str, option: str) -> str:
    return _changed(seed, LAST_LAUNCH, LAST_LAUNCH.replace("BLOCK=BLOCK)", f"{option}, BLOCK=BLOCK)"))


def programs(seed: str) -> Mapping[str, str]:
    """All of them."""
    return {**wrong(seed), **hidden(seed)}


def _changed(seed: str, old: str, new: str) -> str:
    """Raises ValueError if the seed has changed, so that no cheat silently becomes the seed itself."""
    if old not in seed:
        raise ValueError(f"the seed program no longer has {old!r}")
    return seed.replace(old, new)
