"""Circle packing offline: recombine against its controls, at the same CPU time. Run from the repository's root:

    python -m benchmarks.circle_packing --seeds 5 --rounds 40 --cpu-s 8 --workers 2

It drives domain, proposer and sandbox directly, without Prefect, MLflow or a database, and compares three arms:

- recombine: the offline proposer; it sees the 50 best and the 50 newest candidates, its parent is one of the best five;
- random:    every block and constant drawn uniformly, whatever happened before;
- restarts:  one strong combination of blocks with their authors' constants (`STRONG_DEFAULT`, chosen by hand, not the
             proven best of the 625), run again and again with other seeds. It was told which blocks to use.

This compares ways of configuring an algorithm out of parts that people wrote. It is not research, and none of its
numbers may be compared with the rounds of a language model. `--blocks` prints instead what each block reaches alone.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random

from cognition.records import Candidate, Failure, Provenance, Score
from problems.circle_packing.domain import CirclePacking
from tasks.artefacts import UriWorkspace
from tasks.contract import Outcome, Sandbox
from tasks.proposal import Context, Proposal, Proposer
from tasks.recombine import RandomCombination, Recombine
from tasks.recombine.genome import Catalogue, Gene, Genome, catalogue
from tasks.recombine.render import render
from tasks.sandbox import open_sandbox

LEVELS = (2.62, 2.63, 2.634, 2.635, 2.63598)
PLAIN = {"start": "uniform_points", "local": "radii_by_lp", "perturb": "jitter_all", "schedule": "multistart"}
STRONG_DEFAULT = {
    "start": "uniform_points",
    "local": "sequential_lp",
    "perturb": "jitter_region",
    "schedule": "hopping",
}
SHOWN = 50  # candidates in each list of the context
PARENTS = 5  # the parent is one of so many best


@dataclass(frozen=True)
class Setup:
    """What all arms share."""

    domain: CirclePacking
    sandbox: Sandbox
    folder: Path
    workers: int
    rounds: int
    until: float | None  # a sum of radii at which an arm has done enough

    def is_enough(self, tried: Sequence[Tried]) -> bool:
        """Whether all rounds are used up, or the sum that was asked for is reached."""
        scores = [each.outcome.fitness for each in tried if isinstance(each.outcome, Score)]
        return len(tried) >= self.rounds or (self.until is not None and max(scores, default=0.0) >= self.until)


@dataclass(frozen=True)
class Tried:
    """One round: its outcome and the CPU seconds that it cost."""

    outcome: Outcome
    cpu_s: float


def evaluate(setup: Setup, code: str, seed: int) -> Tried:
    """One candidate through sandbox and referee."""
    domain, rung = setup.domain, setup.domain.rungs[0]
    with tempfile.TemporaryDirectory(dir=setup.folder) as folder:
        workspace = UriWorkspace(Path(folder).as_uri())
        trained = domain.train(code, rung, seed, setup.sandbox, workspace)
        if isinstance(trained, Failure):
            return Tried(trained, domain.limits().cpu_s)
        measured = domain.benchmark(code, trained, rung, seed, setup.sandbox, workspace)
        outcome = measured if isinstance(measured, Failure) else domain.score([measured], None)
    return Tried(outcome, trained.cost.cpu_s)


def evolve(setup: Setup, proposer: Proposer, campaign_seed: int) -> list[Tried]:
    """A campaign in batches of `workers` rounds, each batch proposed from what the earlier ones left."""
    brief, rng = setup.domain.brief(), Random(campaign_seed)
    tried: list[Tried] = []
    archive = [_candidate(0, Proposal(brief.seed_program, "", Provenance("baseline")), Score(0.0))]
    while not setup.is_enough(tried):
        count = min(setup.workers, setup.rounds - len(tried))
        proposals = [_propose(proposer, setup, archive, rng) for _ in range(count)]
        seeds = [rng.randrange(2**31) for _ in proposals]
        with ThreadPoolExecutor(setup.workers) as pool:
            batch = list(
                pool.map(lambda pair: evaluate(setup, pair[0].code, pair[1]), zip(proposals, seeds, strict=True))
            )
        for proposal, result in zip(proposals, batch, strict=True):
            archive.append(_candidate(len(archive), proposal, result.outcome))
        tried += batch
    return tried


def restart(setup: Setup, campaign_seed: int) -> list[Tried]:
    """The strong default combination with other seeds, for as many rounds."""
    code, rng = combination(setup.domain, STRONG_DEFAULT), Random(campaign_seed)
    tried: list[Tried] = []
    while not setup.is_enough(tried):
        seeds = [rng.randrange(2**31) for _ in range(min(setup.workers, setup.rounds - len(tried)))]
        with ThreadPoolExecutor(setup.workers) as pool:
            tried += pool.map(lambda seed: evaluate(setup, code, seed), seeds)
    return tried


def combination(domain: CirclePacking, names: dict[str, str]) -> str:
    """The program made of these blocks with their authors' constants."""
    brief = domain.brief()
    assert brief.template is not None
    blocks = catalogue(brief.template, brief.items)
    genome = Genome(tuple((slot, _default(blocks, slot, names[slot])) for slot in blocks.slots))
    return render(genome, brief.template, blocks)


def blocks_alone(setup: Setup, seeds: int) -> None:
    """What each block reaches with plain partners, and a strong combination of defaults."""
    brief = setup.domain.brief()
    assert brief.template is not None
    print("| slot | block | median | best |\n|---|---|---|---|")
    rows = [("(plain)", "all plain", PLAIN)]
    for slot, known in catalogue(brief.template, brief.items).slots.items():
        rows += [(slot, name, {**PLAIN, slot: name}) for name in known if name != PLAIN[slot]]
    rows.append(("(all)", "strong defaults together", STRONG_DEFAULT))
    for slot, name, names in rows:
        code = combination(setup.domain, names)
        with ThreadPoolExecutor(setup.workers) as pool:
            results = list(pool.map(lambda seed, code=code: evaluate(setup, code, seed), range(seeds)))
        fitnesses = [tried.outcome.fitness for tried in results if isinstance(tried.outcome, Score)]
        shown = f"{statistics.median(fitnesses):.5f} | {max(fitnesses):.5f}" if fitnesses else "failed | failed"
        print(f"| {slot} | {name} | {shown} |", flush=True)


def row(arm: str, seed: int, tried: Sequence[Tried], wall_s: float) -> str:
    """One line of the table: the best score, and the round and CPU seconds at which each level was reached."""
    best, used_s, reached = 0.0, 0.0, dict.fromkeys(LEVELS, "-")
    for index, result in enumerate(tried, start=1):
        used_s += result.cpu_s
        if isinstance(result.outcome, Score):
            best = max(best, result.outcome.fitness)
        for level in LEVELS:
            if best >= level and reached[level] == "-":
                reached[level] = f"{index} ({used_s:.0f} s)"
    failed = sum(isinstance(result.outcome, Failure) for result in tried)
    cells = [
        arm,
        str(seed),
        str(len(tried)),
        f"{best:.9f}",
        *reached.values(),
        str(failed),
        f"{used_s:.0f}",
        f"{wall_s:.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, one line per arm and seed as it is finished."""
    options = _options(arguments)
    domain = CirclePacking(CirclePacking.Options(n=options.n, cpu_s=options.cpu_s))
    with (
        tempfile.TemporaryDirectory() as folder,
        open_sandbox(Path(folder), zygotes=options.workers, unsafe=options.unsafe_no_sandbox) as sandbox,
    ):
        setup = Setup(domain, sandbox, Path(folder), options.workers, options.rounds, options.until)
        given = sys.argv[1:] if arguments is None else arguments
        print(f"`python -m benchmarks.circle_packing {' '.join(given)}` (sandbox: {sandbox.tier})\n")
        if options.blocks:
            return blocks_alone(setup, options.seeds)
        _print_arms(setup, options)


def _print_arms(setup: Setup, options: argparse.Namespace) -> None:
    arms: dict[str, Callable[[int], list[Tried]]] = {
        "recombine": lambda seed: evolve(setup, Recombine(), seed),
        "random": lambda seed: evolve(setup, RandomCombination(), seed),
        "restarts": lambda seed: restart(setup, seed),
    }
    heads = ["arm", "seed", "rounds", "best", *(f"reached {level}" for level in LEVELS), "failed", "CPU s", "wall s"]
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for arm in options.arms:
        for seed in range(options.first_seed, options.first_seed + options.seeds):
            began = time.monotonic()
            tried = arms[arm](seed)
            print(row(arm, seed, tried, time.monotonic() - began), flush=True)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--cpu-s", type=float, default=8.0, help="CPU seconds per candidate")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--n", type=int, default=26)
    parser.add_argument("--until", type=float, help="end an arm's campaign when its best sum reaches this")
    parser.add_argument("--arms", nargs="+", choices=("recombine", "random", "restarts"),
                        default=["recombine", "random", "restarts"])  # fmt: skip
    parser.add_argument("--blocks", action="store_true", help="print what each block reaches alone")
    parser.add_argument("--unsafe-no-sandbox", action="store_true", help="if no sandbox works here")
    parser.add_argument("--quick", action="store_true", help="one seed, four rounds of half a second: for CI")
    options = parser.parse_args(arguments)
    if options.quick:
        options.seeds, options.rounds, options.cpu_s = 1, 4, 0.5
    return options


def _propose(proposer: Proposer, setup: Setup, archive: list[Candidate], rng: Random) -> Proposal:
    brief = setup.domain.brief()
    best = sorted((c for c in archive if c.fitness is not None), key=lambda c: -(c.fitness or 0.0))
    context = Context(
        round_id=f"benchmark-{len(archive):04d}",
        seed=rng.randrange(2**32),
        brief=brief,
        parent=rng.choice(best[:PARENTS]),
        blocks=tuple(item for item in brief.items if item.block is not None),
        elites=tuple(best[:SHOWN]),
        recent=tuple(archive[-SHOWN:][::-1]),
    )
    proposal = asyncio.run(proposer.propose(context, ()))
    if isinstance(proposal, Failure):
        raise RuntimeError(f"the proposer gave up: {proposal.reason}")
    return proposal


def _candidate(seq: int, proposal: Proposal, outcome: Outcome) -> Candidate:
    return Candidate(
        f"c{seq}", seq, "benchmark", seq, proposal.code, "", proposal.motivation, (), proposal.provenance, outcome
    )


def _default(blocks: Catalogue, slot: str, name: str) -> Gene:
    return Gene(name, tuple((t.name, t.default) for t in blocks.block(slot, name).tunables))


if __name__ == "__main__":
    main()
