"""What a process that serves is set to, besides the server."""

import gc
import signal
import sys
from contextlib import suppress
from multiprocessing import current_process


def freeze_gc() -> None:
    """Let the garbage collector look no more at what there is by now: it stays as long as the process does, and to look
    through all of it held up every request, some 40 ms at a time."""
    gc.collect()
    gc.freeze()


def exit_zero_on_sigterm() -> None:
    """Let SIGTERM end this process with status 0. What serves shuts down first, and then raises the signal once more:
    without this, it would look as if that had killed the process. Of several processes, only the first one's status
    counts."""
    if current_process().name == "MainProcess":
        with suppress(ValueError):  # imported elsewhere than in the main thread, so by nobody who serves
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
