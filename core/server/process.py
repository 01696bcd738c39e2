"""Settings of the server process: garbage collection and the exit status."""

import gc
import signal
import sys
from contextlib import suppress
from multiprocessing import current_process


def freeze_gc() -> None:
    """Exclude all objects that exist now from garbage collection.

    They live as long as the process does. Scanning all of them paused every request for about 40 ms per collection.
    """
    gc.collect()
    gc.freeze()


def exit_zero_on_sigterm() -> None:
    """Make this process exit with status 0 on SIGTERM.

    uvicorn shuts down first and then raises the signal again; without this handler the process would appear to have
    been killed by the signal. With several processes only the status of the first one matters.
    """
    if current_process().name == "MainProcess":
        with suppress(ValueError):  # not in the main thread, so this process is not a server
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
