"""Every reference mixer and every mutant through the checks: caught by which, with what evidence, in how long.

    python -m benchmarks.arch_checks

The sizes are those of the laptop rung. CPU time is the whole job in a warm sandbox: fork, import of the candidate, all
dynamic checks. A mutant is caught if the expected check is among those that fail; the first failure is shown.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from arch import exchange, rules, verdicts
from arch.domain import PRELOAD
from arch.recipes import LAPTOP, RUNGS, causal_lengths
from arch.reference import LINEAR, YARDSTICK, program
from tasks.contract import Failure, Issue, Sandbox
from tasks.sandbox import open_sandbox
from tests.arch import zoo

LENGTHS = causal_lengths(RUNGS.values())
EVIDENCE = 90  # characters of evidence


@dataclass(frozen=True)
class Checked:
    """What the checks say of one program."""

    static: list[Issue]
    dynamic: list[Issue]
    cpu_s: float

    def by(self, rule: str) -> Issue | None:
        """The issue of that check."""
        return next((issue for issue in (*self.static, *self.dynamic) if issue.rule == rule), None)


def check(code: str, sandbox: Sandbox) -> Checked:
    """Static and dynamic checks, the latter also where the former would have stopped."""
    probed = exchange.probe(code, LAPTOP, verdicts.CHECKS, LENGTHS, sandbox)
    if isinstance(probed, Failure):
        return Checked(rules.issues(code), [Issue(str(probed.kind), probed.reason)], 0.0)
    return Checked(rules.issues(code), verdicts.issues(probed.numbers), probed.cpu_s)


def main() -> int:
    """Print the table; the exit status says whether everything was as expected."""
    with tempfile.TemporaryDirectory() as scratch, open_sandbox(Path(scratch), preload=PRELOAD) as sandbox:
        check(program("delta_net"), sandbox)  # the first job starts the zygote
        references = {name: check(program(name), sandbox) for name in (*LINEAR, YARDSTICK)}
        mutants = {name: check(zoo.program(name), sandbox) for name in zoo.MUTANTS}
    print("| reference mixer | refused by | CPU s |\n|---|---|---:|")
    for name, checked in references.items():
        print(f"| {name} | {', '.join(i.rule for i in (*checked.static, *checked.dynamic)) or '-'} | {checked.cpu_s:.2f} |")
    print("\n| mutant | expected | caught | also by | evidence | CPU s |\n|---|---|---|---|---|---:|")
    missed = 0
    for name, checked in mutants.items():
        expected = zoo.MUTANTS[name].check
        issue = checked.by(expected)
        missed += issue is None
        others = sorted({i.rule for i in (*checked.static, *checked.dynamic)} - {expected})
        evidence = "" if issue is None else issue.message[:EVIDENCE].replace("|", "/")
        print(f"| {name} | {expected} | {'yes' if issue else 'NO'} | {', '.join(others)} | {evidence} | {checked.cpu_s:.2f} |")
    refused = sum(bool(references[name].static or references[name].dynamic) for name in LINEAR)
    times = [checked.cpu_s for checked in references.values()]
    print(f"\n{len(mutants) - missed} of {len(mutants)} mutants caught; {refused} of {len(LINEAR)} linear mixers refused; "
          f"checks of a reference mixer: median {statistics.median(times):.2f}, most {max(times):.2f} CPU s")  # fmt: skip
    return int(missed > 0 or refused > 0)


if __name__ == "__main__":
    sys.exit(main())
