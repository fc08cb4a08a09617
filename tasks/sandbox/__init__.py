"""The sandbox: the only place where candidate code runs. What a domain needs of it is in handle.py.

    with open_sandbox(Path(".nightshift/scratch")) as sandbox:
        result = sandbox.run(Job(code, adapter=Path("problems/circle_packing/inside"), entry="pack:solve"))

What each tier covers, and what it does not, is in docs/sandbox.md.
"""

from tasks.sandbox.handle import Finished, Job, Limits, Sandbox, SandboxUnavailable
from tasks.sandbox.pool import Pool, open_sandbox
from tasks.sandbox.tiers import TierReport, describe_tiers

__all__ = [
    "Finished",
    "Job",
    "Limits",
    "Pool",
    "Sandbox",
    "SandboxUnavailable",
    "TierReport",
    "describe_tiers",
    "open_sandbox",
]
