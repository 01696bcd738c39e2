"""The commands that an app sends to MongoDB, and the plans by which MongoDB would carry them out."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import pytest
from bson import CodecOptions, DatetimeConversion
from pymongo.database import Database
from pymongo.monitoring import CommandListener, CommandStartedEvent

import core.database.client

Command = dict[str, Any]

# The commands that have a query plan, each with the field of its statements if it can have several.
PLANNED: dict[str, str | None] = {
    "find": None,
    "aggregate": None,
    "count": None,
    "distinct": None,
    "findAndModify": None,
}
PLANNED |= {"update": "updates", "delete": "deletes"}
UNPLANNED = {"insert", "getMore", "killCursors", "ping", "endSessions"}

# The fields that the driver adds to a command, and that `explain` does not accept.
ADDED = {"lsid", "$clusterTime", "$db", "$readPreference", "txnNumber", "writeConcern", "maxTimeMS", "readConcern"}

# The index bounds of a plan may be dates that Python cannot represent.
PLAN_CODEC: CodecOptions[dict[str, Any]] = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_AUTO)


@dataclass
class SentCommands(CommandListener):
    """Records each command that is sent, with the route that sent it."""

    route: str = ""
    commands: list[tuple[str, str, Command]] = field(default_factory=list)

    def started(self, event: CommandStartedEvent) -> None:
        if self.route:
            self.commands.append((self.route, event.command_name, deepcopy(dict(event.command))))

    def succeeded(self, event: object) -> None:
        """Do nothing: `started` has recorded the command."""

    def failed(self, event: object) -> None:
        """Do nothing: `started` has recorded the command."""

    def statements(self) -> Iterator[tuple[str, Command]]:
        """Yield each statement that can be explained, with its route, and each query of its stages like `$lookup`."""
        for route, name, command in self.commands:
            if name in PLANNED:
                plain = {key: value for key, value in command.items() if key not in ADDED}
                several = PLANNED[name]
                for statement in plain[several] if several else [None]:
                    yield route, plain | ({several: [statement]} if several else {})
                for inner in _joined(plain.get("pipeline", ())):
                    yield route, inner

    def others_of(self, route: str) -> set[str]:
        """Return the names of the commands of a route that are neither statements nor have a cost of their own."""
        return {name for one, name, _ in self.commands if one == route and name not in PLANNED.keys() | UNPLANNED}


def _joined(pipeline: Any, variables: Iterable[str] = ()) -> Iterator[Command]:
    """Yield a query for each stage of a pipeline, at any depth, that reads another collection for each document:
    `explain` does not tell how MongoDB carries it out."""
    for stage in pipeline:
        ((name, content),) = stage.items()
        match name:
            case "$facet":
                for inner in content.values():
                    yield from _joined(inner, variables)
            case "$graphLookup":
                yield _query(content["from"], [{"$match": {content["connectToField"]: ""}}])
            case "$lookup" if "from" in content:
                by_field = [{"$match": {content["foreignField"]: ""}}] if "foreignField" in content else []
                inner, known = content.get("pipeline", []), [*variables, *content.get("let", {})]
                yield _query(content["from"], [*by_field, *inner], known)
                yield from _joined(inner, known)


def _query(collection: str, pipeline: list[Command], variables: Iterable[str] = ()) -> Command:
    return {"aggregate": collection, "pipeline": pipeline, "cursor": {}, "let": dict.fromkeys(variables, "")}


@contextmanager
def recorded(sent: SentCommands) -> Iterator[None]:
    """Let the clients that are opened meanwhile report their commands to `sent`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(core.database.client._CLIENT_OPTIONS, "event_listeners", [sent])
        yield


def explained(database: Database[dict[str, Any]], command: Command) -> dict[str, Any]:
    """Return how MongoDB would carry out a command."""
    return database.command("explain", command, verbosity="queryPlanner", codec_options=PLAN_CODEC)


def plans(explained: Any, *others: str) -> Iterator[Any]:
    """Yield the winning plans of an explanation, at any depth, and those with other names."""
    if isinstance(explained, list):
        for one in explained:
            yield from plans(one, *others)
    elif isinstance(explained, dict):
        for name, value in explained.items():
            yield from [value] if name in ("winningPlan", *others) else plans(value, *others)


def steps(plan: Any) -> Iterator[tuple[str, str]]:
    """Yield the stages of a plan, each with the index that it reads, if any."""
    if isinstance(plan, list):
        for one in plan:
            yield from steps(one)
    elif isinstance(plan, dict):
        if isinstance(stage := plan.get("stage"), str):
            yield stage, plan.get("indexName", "")
        for value in plan.values():
            yield from steps(value)


def filters_whole_index(plan: Any) -> bool:
    """Return whether a plan reads an index from end to end, and each document, and then drops those that do not match.
    A sparse or partial index is meant to have few documents."""
    if isinstance(plan, list):
        return any(map(filters_whole_index, plan))
    if not isinstance(plan, dict):
        return False
    scan = plan.get("inputStage", {}) if plan.get("stage") == "FETCH" and plan.get("filter") else {}
    if scan.get("stage") == "IXSCAN" and not scan.get("isSparse") and not scan.get("isPartial"):
        return all(one in _UNBOUNDED for one in scan["indexBounds"].values())
    return filters_whole_index(list(plan.values()))


_UNBOUNDED = (["[MinKey, MaxKey]"], ["[MaxKey, MinKey]"])
