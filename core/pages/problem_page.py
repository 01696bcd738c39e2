"""The HTML content of the problem pages."""

import json
import re
from collections.abc import Iterable, Sequence
from html import escape

from core.pages.page import Html, fill, fill_each, template
from core.pages.problem_catalog import ErrorCode, Operation, ProblemRead, ProblemSummary

_ROW = '<tr><td>{{status}}</td><td><a href="{{root}}{{type}}">{{title}}</a></td><td>{{meaning}}</td></tr>\n'
_CODE = '<tr id="{{code}}"><td><code>{{code}}</code></td><td>{{meaning}}</td></tr>\n'
_RELATIVE = '<li><a href="{{root}}{{type}}">{{title}}</a>: {{meaning}}</li>\n'
_HEADER = "<li><code>{{name}}</code>: {{text}}</li>\n"
_OPERATION = '<li><a href="{{root}}/docs#/{{tag}}/{{id}}"><code>{{method}} {{path}}</code></a> {{summary}}</li>\n'
_SECTION = "<h2>{{heading}}</h2>\n<ul>\n{{rows}}</ul>\n"


def list_of_problems(root: str, summaries: Sequence[ProblemSummary], codes: Sequence[ErrorCode]) -> Html:
    """Return the content of the page that lists all problems and codes. `root` is the path prefix of all links."""
    explained = fill_each(_CODE, ({"code": one.code, "meaning": prose(one.meaning)} for one in codes))
    return fill(template("problems"), rows=_each(_ROW, root, summaries), codes=explained)


def page_of_problem(root: str, problem: ProblemRead, operations: Sequence[Operation]) -> Html:
    """Return the content of a problem's page; `operations` are all operations of the API."""
    headers = fill_each(_HEADER, ({"name": name, "text": prose(text)} for name, text in problem.headers.items()))
    base = [problem.kind_of] if problem.kind_of else []
    return fill(
        template("problem"),
        type=problem.type,
        title=problem.title,
        status=str(problem.status),
        meaning=prose(problem.meaning),
        remedy=prose(problem.remedy),
        when=_when(root, problem, operations),
        headers=_section("Response headers", headers),
        base=_section("More general problem", _each(_RELATIVE, root, base)),
        kinds=_section("More specific problems", _each(_RELATIVE, root, problem.kinds)),
        example=json.dumps(problem.example, indent=2),
    )


def prose(text: str) -> Html:
    """Return the text of a docstring as HTML, with text between backticks as code."""
    return Html(re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text)))


def _when(root: str, problem: ProblemRead, operations: Sequence[Operation]) -> Html:
    """Return the list of operations that document the problem, or of those that do not if there are fewer of them."""
    others = [operation for operation in operations if operation not in problem.operations]
    if not problem.operations:
        return Html("<p>No operation returns this general problem itself.</p>")
    if not others:
        return Html("<p>Any operation can return this problem.</p>")
    if len(others) < len(problem.operations):
        return Html(
            f"<p>Any operation can return this problem, except for:</p>\n<ul>\n{_operations(root, others)}</ul>"
        )
    return Html(f"<ul>\n{_operations(root, problem.operations)}</ul>")


def _operations(root: str, operations: Sequence[Operation]) -> Html:
    return fill_each(_OPERATION, ({"root": root, **operation.model_dump()} for operation in operations))


def _each(row: str, root: str, summaries: Iterable[ProblemSummary]) -> Html:
    return fill_each(
        row,
        (
            {"root": root, **summary.model_dump(), "status": str(summary.status), "meaning": prose(summary.meaning)}
            for summary in summaries
        ),
    )


def _section(heading: str, rows: Html) -> Html:
    return fill(_SECTION, heading=heading, rows=rows) if rows else Html()
