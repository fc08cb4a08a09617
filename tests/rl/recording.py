"""A sandbox that keeps the jobs it was given, for tests that ask what went in."""

from __future__ import annotations

from tasks.contract import Failure, Finished, Job, Sandbox


class Recording:
    """Passes every job on."""

    def __init__(self, inner: Sandbox) -> None:
        self.inner, self.tier, self.jobs = inner, inner.tier, list[Job]()

    def run(self, job: Job) -> Finished | Failure:
        self.jobs.append(job)
        return self.inner.run(job)
