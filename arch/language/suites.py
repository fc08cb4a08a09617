"""Which benchmarks there are, by lm-eval's names: data, and nothing that imports lm-eval.

The development and held-out lists are the paper's Table 1. MetaBench is taken without its part of GSM8K: that one has
the model generate text, which a model that only hands out hidden states is not asked to do.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One task (or group) of lm-eval, and which of its metrics are taken; the first is its score."""

    task: str
    metrics: tuple[str, ...] = ("acc",)


PREFIX = "nightshift_"  # of the local tasks, so that no name of lm-eval's is taken
CHOICE, CLOZE, ROLLING = f"{PREFIX}choice", f"{PREFIX}cloze", f"{PREFIX}rolling"
LOCAL = (
    Benchmark(CHOICE, ("acc", "acc_bytes")),
    Benchmark(CLOZE, ("acc", "perplexity")),
    Benchmark(ROLLING, ("bits_per_byte", "byte_perplexity")),
)
DEVELOPMENT = (  # WikiText and LAMBADA perplexity and LAMBADA accuracy are three of the ten columns
    Benchmark("wikitext", ("word_perplexity", "bits_per_byte")),
    Benchmark("lambada_openai", ("acc", "perplexity")),
    Benchmark("piqa"),
    Benchmark("hellaswag", ("acc_norm",)),
    Benchmark("winogrande"),
    Benchmark("arc_easy"),
    Benchmark("arc_challenge", ("acc_norm",)),
    Benchmark("social_iqa"),
    Benchmark("boolq"),
)
HELD_OUT = (
    Benchmark("race"),
    Benchmark("bbq"),
    Benchmark("metabench_arc"),
    Benchmark("metabench_hellaswag"),
    Benchmark("metabench_mmlu"),
    Benchmark("metabench_truthfulqa"),
    Benchmark("metabench_winogrande"),
    Benchmark("qa4mre_2011"),
    Benchmark("qa4mre_2012"),
    Benchmark("qa4mre_2013"),
    Benchmark("sciq"),
    Benchmark("swag", ("acc_norm",)),
)
PERPLEXITIES = frozenset({"perplexity", "word_perplexity", "byte_perplexity", "bits_per_byte"})  # lower is better


@dataclass(frozen=True, slots=True)
class Suite:
    """Benchmarks with a limit of documents for each, and how the model's text is cut in tokens."""

    benchmarks: tuple[Benchmark, ...]
    limit: int | None = 500  # documents for each task; the paper's explore rung has 500 (section 4.1)
    tokenizer: str = "bytes"  # or the name or folder of a Hugging Face tokenizer
    longest: int = 512  # tokens that are sent at most; what is longer loses its beginning
    audited: float = 0.05  # share of requests of which a random prefix is sent alone


OFFLINE = Suite(LOCAL, limit=100)
