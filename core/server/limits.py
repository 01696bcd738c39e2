"""The limit of open files per process."""

import logging
import resource

log = logging.getLogger(__name__)

# Connections above MAX_CONNECTIONS that still get a 503 response. Connections above that are closed unread.
SPARE_CONNECTIONS = 500

# Open files other than client connections: database connections, log files, uploaded files.
OTHER_FILES = 200


def allow_files(connections: int) -> None:
    """Raise the soft limit of open files to the number that this many client connections need.

    Many systems allow only 1,024 open files unless a program raises its limit. Child processes inherit the new limit.
    Log a warning if the hard limit is too low.
    """
    needed = connections + SPARE_CONNECTIONS + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < needed:
        log.warning("MAX_CONNECTIONS=%s needs %s open files, but the system allows only %s.", connections, needed, hard)
