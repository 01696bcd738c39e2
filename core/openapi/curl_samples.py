"""Sample calls of operations with curl, built from their examples."""

import json
import shlex
from typing import Any
from urllib.parse import quote, urlencode

MAX_LINE = 100

ADDRESS = "http://127.0.0.1:8000"

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"

Json = dict[str, Any]


def sample_call(method: str, path: str, operation: Json) -> str:
    """Return a curl command that calls the operation with an access token if it needs one, the required parameters and
    a body."""
    address = shlex.quote(_address(path, operation.get("parameters", [])))
    parts = [" ".join(["curl -s", *_method(method, operation), address])]
    if operation["security"]:
        parts.append('-H "Authorization: Bearer $TOKEN"')
    if "requestBody" in operation:
        parts += _body(operation["requestBody"]["content"])
    line = " ".join(parts)
    return line if len(line) <= MAX_LINE else " \\\n  ".join(parts)


def _method(method: str, operation: Json) -> list[str]:
    implied = "post" if "requestBody" in operation else "get"
    return [] if method == implied else [f"-X {method.upper()}"]


def _address(path: str, parameters: list[Json]) -> str:
    query = {}
    for parameter in parameters:
        if parameter["in"] == "path":
            path = path.replace(
                f"{{{parameter['name']}}}", quote(str(parameter.get("example", parameter["name"])), safe="")
            )
        elif parameter["in"] == "query" and parameter["required"]:
            query[parameter["name"]] = parameter.get("example", "")
    return f"{ADDRESS}{path}" + (f"?{urlencode(query)}" if query else "")


def _body(content: Json) -> list[str]:
    media_type, body = next(iter(content.items()))
    example = body.get("example", {})
    if media_type == FORM:
        return [f"-d {shlex.quote(urlencode(example))}"]
    if media_type == MULTIPART:
        return ["-F file=@class.csv"]
    text = example if isinstance(example, str) else json.dumps(example, ensure_ascii=False)
    return [f"-H 'Content-Type: {media_type}'", f"--data-binary {shlex.quote(text)}"]
