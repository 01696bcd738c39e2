"""The service's own endpoints: welcome page, health checks and metrics, declared like a module."""

import asyncio
import logging
from typing import Annotated

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field
from pymongo.errors import PyMongoError

from core.database import Lease, unreachable
from core.errors import Unavailable
from core.events import failing_followers
from core.migrations import AppliedMigration
from core.module import HealthCheck, Module
from core.operations.metrics_endpoint import router as metrics_router
from core.pages import router as welcome_router
from core.routing import PublicRouter, UsedKey

log = logging.getLogger(__name__)

# The timeout of a module's health check, in seconds.
CHECK_SECONDS = 5.0

router = PublicRouter()
router.include_router(welcome_router)
router.include_router(metrics_router)

service = Module(
    name="service",
    description="Service status: welcome page, health checks and metrics.",
    position=1000,
    public_router=router,
    documents=(AppliedMigration, Lease, UsedKey),
)


class Health(BaseModel):
    """The status of the service."""

    status: str = "ok"


class Readiness(Health):
    """The status of the service and of the resources that it needs: `degraded` if it can handle requests although a job
    of a module keeps failing, or a module cannot follow changes of another module's records."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "ok", "checks": {"database": "ok"}}]})

    checks: Annotated[
        dict[str, str],
        Field(
            description="Check results: `ok` for the database and for each module with a check, and `failing` for each "
            "job that keeps failing, such as `courses/remind`, and each module that cannot follow changes, such as "
            "`courses/changed`."
        ),
    ]


@router.get("/healthz")
async def healthz() -> Health:
    """Check that the process is alive.

    Does not access the database or any other resource.
    """
    return Health()


@router.get("/readyz")
async def readyz(request: Request) -> Readiness:
    """Check whether the service can handle requests.

    Queries MongoDB, runs the health checks of the modules, and looks at their jobs and at what they follow. A job that
    keeps failing does not make the service unready: requests are still answered.
    """
    request.app.state.availability.check_reachable()
    try:
        await request.app.state.database.ping()
    except PyMongoError as error:
        raise unreachable() from error
    request.app.state.availability.check_disk_space()
    checks: dict[str, HealthCheck] = request.app.state.health_checks
    results = await asyncio.gather(*(_is_healthy(name, check) for name, check in checks.items()))
    failed = [name for name, is_healthy in zip(checks, results, strict=True) if not is_healthy]
    if failed:
        raise Unavailable(f"Failed health checks: {', '.join(failed)}.")
    failing = [*(job.name for job in request.app.state.jobs if job.is_failing()), *failing_followers()]
    return Readiness(
        status="degraded" if failing else "ok",
        checks={"database": "ok", **dict.fromkeys(checks, "ok"), **dict.fromkeys(failing, "failing")},
    )


async def _is_healthy(name: str, check: HealthCheck) -> bool:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await check()
    except Exception:
        log.exception("The health check of %s failed", name)
        return False
    return True
