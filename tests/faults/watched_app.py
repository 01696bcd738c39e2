"""The service, with a route that returns the resources of its process: `uvicorn tests.faults.watched_app:app`."""

import asyncio
import os
import threading

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from core.app import create_app


async def resources(_: Request) -> JSONResponse:
    """Return the numbers of tasks, threads and open files of this process."""
    return JSONResponse(
        {
            "tasks": len(asyncio.all_tasks()),
            "threads": threading.active_count(),
            "files": len(os.listdir("/proc/self/fd")),  # noqa: PTH208
        }
    )


app = create_app()
app.router.routes.append(Route("/resources", resources))
