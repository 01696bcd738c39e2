"""A MongoDB of one's own: the mongod that starts when no MONGODB_URL is given. For Linux and macOS.

`find_mongod` chooses the program, `run_embedded` keeps it running for as long as an app needs it. Any number of
processes may share a data folder: the first brings mongod up, and it stops some seconds after the last has gone.
"""

from core.database.embedded.lifetime import Embedded, run_embedded
from core.database.embedded.mongod_binary import Mongod, find_mongod

__all__ = ["Embedded", "Mongod", "find_mongod", "run_embedded"]
