"""Delays for rejected requests, while many are rejected.

A client that sends its next request immediately after a rejection would keep the event loop as busy as regular requests
do. Occasional rejections are not delayed.
"""

import asyncio
import time
from collections import deque
from typing import NoReturn

from core.errors import Problem
from core.settings import current_settings

DELAY_SECONDS = 1.0
IMMEDIATE_PER_SECOND = 20

_latest: deque[float] = deque(maxlen=IMMEDIATE_PER_SECOND)
_delayed = 0
_sleep, _clock = asyncio.sleep, time.monotonic


async def reject_with_delay(problem: Problem) -> NoReturn:
    """Raise the problem, after a delay of one second if the process has rejected many requests within the last second.

    At most a fifth of the process's concurrent requests are delayed, so that they do not block other requests.
    """
    global _delayed  # noqa: PLW0603  # a count of this process
    now = _clock()
    many = len(_latest) == IMMEDIATE_PER_SECOND and now - _latest[0] < 1
    _latest.append(now)
    if many and _delayed < current_settings().max_concurrent_requests // 5:
        _delayed += 1
        try:
            await _sleep(DELAY_SECONDS)
        finally:
            _delayed -= 1
    raise problem
