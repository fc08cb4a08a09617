"""Statistics that decide whether a candidate is better than the baseline. Pure: no engine, no files, no Prefect.

- gains.py: paired differences on the same seeds, with mean and standard error
- evidence.py: a bound of the mean gain that holds however often one looks
- spending.py: the error rate that each of many finalists may use up
- race.py: who gets further replicates, and the verdicts

docs/trust.md explains the choices; benchmarks/false_winners.py measures what they do.
"""

from __future__ import annotations

from tasks.trust.evidence import Bounds, bounds, log_e_value
from tasks.trust.gains import Summary, paired, summary
from tasks.trust.race import Rules, Standing, Verdict, judged, judged_on_all, wanted
from tasks.trust.spending import level

__all__ = [
    "Bounds",
    "Rules",
    "Standing",
    "Summary",
    "Verdict",
    "bounds",
    "judged",
    "judged_on_all",
    "level",
    "log_e_value",
    "paired",
    "summary",
    "wanted",
]
