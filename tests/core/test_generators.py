"""No generator sets the timeout of the database across a `yield`.

The timeout is a context variable, which a generator shares with its caller: it would apply to the caller's commands,
and might be reset in another context. A context manager is a generator that is meant to do this.
"""

import ast
from collections.abc import Iterator

from tests.processes import ROOT

WRONG = """
async def read():
    with operation_timeout(5):
        async for one in search():
            yield one
"""


def own_nodes(parent: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes inside of a function, without those of functions that it defines."""
    for node in ast.iter_child_nodes(parent):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield node
            yield from own_nodes(node)


def timeouts_across_yields(source: str) -> list[str]:
    """Return the names of the generators that set a timeout across a `yield`."""
    return [
        function.name
        for function in ast.walk(ast.parse(source))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        and not any("contextmanager" in ast.unparse(decorator) for decorator in function.decorator_list)
        for block in own_nodes(function)
        if isinstance(block, ast.With | ast.AsyncWith)
        and any("timeout(" in ast.unparse(item) for item in block.items)
        and any(isinstance(node, ast.Yield | ast.YieldFrom) for node in own_nodes(block))
    ]


def test_no_timeout_is_set_across_a_yield() -> None:
    sources = [path for place in ("core", "modules") for path in (ROOT / place).rglob("*.py")]
    assert sources
    found = {str(path): timeouts_across_yields(path.read_text(encoding="utf-8")) for path in sources}
    assert {path: names for path, names in found.items() if names} == {}


def test_a_timeout_across_a_yield_is_found() -> None:
    assert timeouts_across_yields(WRONG) == ["read"]
