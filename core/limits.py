"""How much a process takes on: the settings, and the files that it may have open."""

import logging
import resource
from typing import Annotated

from pydantic import BaseModel, Field

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 2000

# Connections beyond the limit that are still told so; of more than that, nothing is read.
SPARE_CONNECTIONS = 500

# Files that are no client's: the database's, the log, what is imported.
OTHER_FILES = 200


class Limits(BaseModel):
    """Those of the process-wide settings that say how much is taken on."""

    max_body_bytes: Annotated[int, Field(ge=1)] = 1_000_000
    max_connections: Annotated[int, Field(ge=1, le=100_000)] = MAX_CONNECTIONS
    max_concurrent_requests: Annotated[int, Field(ge=1, le=100_000)] = 500


def allow_files(connections: int) -> None:
    """Let this process, and those that it starts, have as many files open as so many connections need: many systems
    allow 1,024 unless a program asks for more. Where they allow no more, a warning is logged."""
    needed = connections + SPARE_CONNECTIONS + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < needed:
        log.warning("MAX_CONNECTIONS=%s needs %s open files; the system allows %s.", connections, needed, hard)
