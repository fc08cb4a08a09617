"""Every reference mixer and every mutant through the checks: caught by which, with what evidence, in how long.

    python -m benchmarks.arch_checks
    python -m benchmarks.arch_checks --program my_mixer.py

With `--program` one mixer of your own is checked instead, and its size compared with DeltaNet's.
The sizes are those of the laptop rung. CPU time is the whole job in a warm sandbox: fork, import of the candidate, all
dynamic checks. A mutant is caught if the expected check is among those that fail; the first failure is shown.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from arch import exchange, rules, verdicts
from arch.domain import PRELOAD, Arch
from arch.recipes import LAPTOP, RUNGS, causal_lengths
from arch.reference import LINEAR, YARDSTICK, program
from tasks.contract import Failure, Issue, Sandbox
from tasks.sandbox import open_sandbox

sys.path.insert(0, str(Path(__file__).parents[1]))  # started by its path, what is not installed is found here

from tests.arch import zoo

LENGTHS = causal_lengths(RUNGS.values())
EVIDENCE = 90  # characters of evidence


@dataclass(frozen=True)
class Checked:
    """What the checks say of one program."""

    static: list[Issue]
    dynamic: list[Issue]
    cpu_s: float

    @property
    def rules(self) -> list[str]:
        """The checks that fail."""
        return [issue.rule for issue in (*self.static, *self.dynamic)]

    def by(self, rule: str) -> Issue | None:
        """The issue of that check."""
        return next((issue for issue in (*self.static, *self.dynamic) if issue.rule == rule), None)


def check(code: str, sandbox: Sandbox) -> Checked:
    """Static and dynamic checks, the latter also where the former would have stopped."""
    probed = exchange.probe(code, LAPTOP, verdicts.CHECKS, LENGTHS, sandbox)
    if isinstance(probed, Failure):
        return Checked(rules.issues(code), [Issue(str(probed.kind), probed.reason)], 0.0)
    return Checked(rules.issues(code), verdicts.issues(probed.numbers), probed.cpu_s)


def row(name: str, checked: Checked) -> str:
    """A mutant's line."""
    expected = zoo.MUTANTS[name].check
    issue = checked.by(expected)
    others = ", ".join(sorted(set(checked.rules) - {expected}))
    evidence = "" if issue is None else issue.message[:EVIDENCE].replace("|", "/")
    return f"| {name} | {expected} | {'yes' if issue else 'NO'} | {others} | {evidence} | {checked.cpu_s:.2f} |"


def main() -> int:
    """Print the table; the exit status says whether everything was as expected."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, help="a file that defines Mixer")
    own = parser.parse_args().program
    return tables() if own is None else one(own.read_text(encoding="utf-8"))


def one(code: str) -> int:
    """Every issue of one program, as a round would report it."""
    domain = Arch()
    with tempfile.TemporaryDirectory() as scratch, open_sandbox(Path(scratch), preload=PRELOAD) as sandbox:
        issues = domain.check(code) or domain.probe(code, sandbox)
    for issue in issues:
        print(issue.message if issue.line is None else f"line {issue.line}: {issue.rule}: {issue.message}")
    if not issues:
        print("every check passes, and the size is within the budget")
    return int(bool(issues))


def tables() -> int:
    """References and mutants."""
    with tempfile.TemporaryDirectory() as scratch, open_sandbox(Path(scratch), preload=PRELOAD) as sandbox:
        check(program("delta_net"), sandbox)  # the first job starts the zygote
        references = {name: check(program(name), sandbox) for name in (*LINEAR, YARDSTICK)}
        mutants = {name: check(zoo.program(name), sandbox) for name in zoo.MUTANTS}
    print("| reference mixer | refused by | CPU s |\n|---|---|---:|")
    for name, checked in references.items():
        print(f"| {name} | {', '.join(checked.rules) or '-'} | {checked.cpu_s:.2f} |")
    print("\n| mutant | expected | caught | also by | evidence | CPU s |\n|---|---|---|---|---|---:|")
    for name, checked in mutants.items():
        print(row(name, checked))
    missed = sum(checked.by(zoo.MUTANTS[name].check) is None for name, checked in mutants.items())
    refused = sum(bool(references[name].rules) for name in LINEAR)
    times = [checked.cpu_s for checked in references.values()]
    print(
        f"\n{len(mutants) - missed} of {len(mutants)} mutants caught; {refused} of {len(LINEAR)} linear mixers refused"
    )
    print(f"checks of a reference mixer: median {statistics.median(times):.2f}, most {max(times):.2f} CPU s")
    return int(missed > 0 or refused > 0)


if __name__ == "__main__":
    sys.exit(main())
