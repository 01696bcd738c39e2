"""How many files a process may have open."""

import logging
import resource

log = logging.getLogger(__name__)

# Connections beyond the limit that are still told so; of more than that, nothing is read.
SPARE_CONNECTIONS = 500

# Files that are no client's: the database's, the log, what is imported.
OTHER_FILES = 200


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
