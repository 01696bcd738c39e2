"""Sample calls of operations with curl, in Python and in TypeScript, built from their examples."""

import json
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from textwrap import indent
from typing import Any, Self
from urllib.parse import quote, urlencode

ADDRESS = "http://127.0.0.1:8000"
"""The address in the samples. The service replaces it with the address of the request for the document."""

# The greatest length of a line of curl, and of what stands in one pair of brackets, in characters.
MAX_LINE = 100
MAX_PARTS = 80

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"

Json = dict[str, Any]


def code_samples(method: str, path: str, operation: Json) -> list[Json]:
    """Return the `x-codeSamples` of an operation, which ReDoc shows. Each of them sends an access token if the
    operation needs one, the required parameters, and the example of the body."""
    call = _Call.of(method, path, operation)
    return [
        {"lang": "Shell", "label": "curl", "source": _curl(call)},
        {"lang": "Python", "label": "Python", "source": _python(call)},
        {"lang": "TypeScript", "label": "TypeScript", "source": _typescript(call)},
    ]


@dataclass(frozen=True, slots=True)
class _Call:
    """A request to write down. `answer` is the media type of the response, or empty if it has no body."""

    method: str
    url: str
    has_token: bool
    media_type: str
    body: Any
    answer: str

    @classmethod
    def of(cls, method: str, path: str, operation: Json) -> Self:
        """Return the call of an operation. If it accepts several media types, the call sends the first one."""
        content = operation.get("requestBody", {}).get("content", {})
        media_type = next(iter(content), "")
        responses = operation["responses"]
        success = responses["204" if "204" in responses else min(responses)]  # with a body only in rare cases
        return cls(
            method=method.upper(),
            url=_url(path, operation.get("parameters", [])),
            has_token=bool(operation["security"]),
            media_type=media_type,
            body=content[media_type].get("example", {}) if media_type else None,
            answer=next(iter(success.get("content", {})), ""),
        )

    @property
    def text(self) -> str:
        """The body as it is sent, unless it is a form."""
        return self.body if isinstance(self.body, str) else json.dumps(self.body, ensure_ascii=False)

    @property
    def file(self) -> str:
        """The name of the file to write if the response is not a text."""
        return self.url.rpartition("/")[2] if self.answer.startswith("application/vnd.") else ""


def _url(path: str, parameters: list[Json]) -> str:
    query = {}
    for parameter in parameters:
        if parameter["in"] == "path":
            path = path.replace(
                f"{{{parameter['name']}}}", quote(str(parameter.get("example", parameter["name"])), safe="")
            )
        elif parameter["in"] == "query" and parameter["required"]:
            query[parameter["name"]] = parameter.get("example", "")
    return f"{ADDRESS}{path}" + (f"?{urlencode(query)}" if query else "")


def _curl(call: _Call) -> str:
    options = ["-s"] if call.method == ("POST" if call.media_type else "GET") else ["-s", "-X", call.method]
    options += ["-O"] if call.file else []
    # Always in quotes: the address that replaces this one may be `http://[::1]`, and shells expand brackets.
    parts = [" ".join(["curl", *options, f"'{call.url}'"])]
    if call.has_token:
        parts.append('-H "Authorization: Bearer $TOKEN"')
    parts += _curl_body(call)
    line = " ".join(parts)
    return line if len(line) <= MAX_LINE else " \\\n  ".join(parts)


def _curl_body(call: _Call) -> list[str]:
    if not call.media_type:
        return []
    if call.media_type == FORM:
        return [f"-d {shlex.quote(urlencode(call.body))}"]
    if call.media_type == MULTIPART:
        return ["-F file=@class.csv"]
    return [f"-H 'Content-Type: {call.media_type}'", f"--data-binary {shlex.quote(call.text)}"]


def _python(call: _Call) -> str:
    arguments = [f'"{call.url}"', *_python_arguments(call)]
    lines = ["import os\n"] if call.has_token else []
    lines += ["import requests\n", f"response = requests.{call.method.lower()}{_listed('()', arguments)}"]
    lines.append("response.raise_for_status()")
    if call.file:
        lines.append(f'open("{call.file}", "wb").write(response.content)')
    elif call.answer:
        lines.append(f"print(response.{'json()' if call.answer == JSON else 'text'})")
    return "\n".join(lines)


def _python_arguments(call: _Call) -> Iterator[str]:
    headers = ['"Authorization": f"Bearer {os.environ[\'TOKEN\']}"'] if call.has_token else []
    if call.media_type not in ("", JSON, FORM, MULTIPART):
        headers.append(f'"Content-Type": "{call.media_type}"')
    if headers:
        yield f"headers={_listed('{}', headers)}"
    if call.media_type in (JSON, FORM):
        yield f"{'json' if call.media_type == JSON else 'data'}={_literal(call.body, repr)}"
    elif call.media_type == MULTIPART:
        yield 'files={"file": open("class.csv", "rb")}'
    elif call.media_type:
        yield f"data={_literal(call.text, repr)}.encode()"


def _typescript(call: _Call) -> str:
    lines = []
    if call.file:
        lines.append('import { writeFile } from "node:fs/promises";\n')
    if call.media_type == MULTIPART:
        lines += ['import { openAsBlob } from "node:fs";\n', "const form = new FormData();"]
        lines.append('form.append("file", await openAsBlob("class.csv"), "class.csv");')
    options = "".join(f"{indent(option, '  ')},\n" for option in _typescript_options(call))
    lines.append(f'const response = await fetch("{call.url}"' + (f", {{\n{options}}});" if options else ");"))
    lines.append("if (!response.ok) throw new Error(await response.text());")
    if call.file:
        lines.append(f'await writeFile("{call.file}", Buffer.from(await response.arrayBuffer()));')
    elif call.answer:
        lines.append(f"console.log(await response.{'json' if call.answer == JSON else 'text'}());")
    return "\n".join(lines)


def _typescript_options(call: _Call) -> Iterator[str]:
    if call.method != "GET":
        yield f'method: "{call.method}"'
    headers = ["Authorization: `Bearer ${process.env.TOKEN}`"] if call.has_token else []
    if call.media_type not in ("", FORM, MULTIPART):
        headers.append(f'"Content-Type": "{call.media_type}"')
    if headers:
        yield f"headers: {{ {', '.join(headers)} }}"
    if call.media_type == JSON:
        yield f"body: JSON.stringify({_literal(call.body, json.dumps)})"
    elif call.media_type == FORM:
        yield f"body: new URLSearchParams({_literal(call.body, json.dumps)})"
    elif call.media_type == MULTIPART:
        yield "body: form"
    elif call.media_type:
        yield f"body: {_literal(call.text, json.dumps)}"


def _literal(value: Any, constant: Callable[[Any], str]) -> str:
    """Return a JSON value as a literal of a language, given how the language writes numbers, truth values and null."""
    match value:
        case str():
            return json.dumps(value, ensure_ascii=False)
        case list():
            return _listed("[]", [_literal(item, constant) for item in value])
        case dict():
            return _listed("{}", [f"{json.dumps(name)}: {_literal(item, constant)}" for name, item in value.items()])
    return constant(value)


def _listed(brackets: str, parts: list[str]) -> str:
    """Return the parts between brackets: in one line if it is short, otherwise each in a line of its own."""
    line = ", ".join(parts)
    if len(line) + 2 <= MAX_PARTS and "\n" not in line:
        return f"{brackets[0]}{line}{brackets[1]}"
    lines = indent(",\n".join(parts), "    ")
    return f"{brackets[0]}\n{lines},\n{brackets[1]}"
