"""Makes sure that a process whose work is done also ends.

At exit Prefect waits, without a limit, for its event and log workers to hand over what they hold. That wait was seen to
last for ever. All that matters is stored by then, so after a grace period the process leaves.
"""

from __future__ import annotations

import os
import sys
import threading

GRACE_S = 60.0


def within(code: int, grace_s: float = GRACE_S) -> None:
    """End this process with `code` after `grace_s`, unless it ends by itself before."""
    timer = threading.Timer(grace_s, _leave, (code,))
    timer.daemon = True  # it must not keep alive what it is to end
    timer.start()


def _leave(code: int) -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)
