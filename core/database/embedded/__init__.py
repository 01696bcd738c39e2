"""The embedded MongoDB: a mongod that starts when MONGODB_URL is not set. For Linux and macOS.

`find_mongod` chooses the program; `run_embedded` keeps it running for as long as an app needs it. Any number of
processes may share a data folder: the first starts mongod, which stops a few seconds after the last process has exited.
"""

from core.database.embedded.lifetime import Embedded, run_embedded
from core.database.embedded.mongod_binary import Mongod, find_mongod

__all__ = ["Embedded", "Mongod", "find_mongod", "run_embedded"]
