"""The flow `study`: runs the cells that are missing, compares the arms, writes table, figures and raw data.

`nightshift study FILE`. Every round of every cell is a flow run of its own, as in any campaign. Retry, or the same
command again, goes on where it stopped; a study that is finished is only evaluated again.
"""

from __future__ import annotations

import asyncio
from typing import Any

from prefect import flow, runtime

from flows import stores, versions
from flows.home import open_home
from flows.study import output, running
from flows.study.results import results_of
from flows.study.settings import StudySettings


@flow(name="study", flow_run_name="study-{study.name}", persist_result=False)
async def study(study: StudySettings) -> dict[str, Any]:
    """Run what is left of a study and return its report."""
    versions.refuse_other(runtime.deployment.version, runtime.deployment.name)
    home = open_home()
    stores.refuse_other(home)
    ran = await running.run(home, study)
    results = results_of(study, ran)
    return await asyncio.to_thread(output.publish, home, study, ran, results)
