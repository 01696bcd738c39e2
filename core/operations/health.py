"""The service's own addresses: its greeting, its health, and its metrics. Included like a module's."""

import asyncio
import logging
from typing import Annotated

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field
from pymongo.errors import PyMongoError

from core.errors import Unavailable
from core.migrations import AppliedMigration, MigrationLock
from core.module import HealthCheck, Module
from core.operations.metrics_endpoint import router as metrics_router
from core.pages import router as welcome_router
from core.routing import PublicRouter

log = logging.getLogger(__name__)

# How long the check of a module may take.
CHECK_SECONDS = 5.0

router = PublicRouter()
router.include_router(welcome_router)
router.include_router(metrics_router)

service = Module(
    name="service",
    description="The service itself: is it there, is it well?",
    public_router=router,
    documents=(AppliedMigration, MigrationLock),
)


class Health(BaseModel):
    """The state of the service."""

    status: str = "ok"


class Readiness(Health):
    """The state of what the service needs."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "ok", "checks": {"database": "ok"}}]})

    checks: Annotated[dict[str, str], Field(description="`ok` for the database, and for what modules look at.")]


@router.get("/healthz")
async def healthz() -> Health:
    """Tell that the process lives.

    Touches nothing, not even the database.
    """
    return Health()


@router.get("/readyz")
async def readyz(request: Request) -> Readiness:
    """Tell whether requests can be served.

    Asks MongoDB, and what the modules look at.
    """
    request.app.state.outage.check()
    try:
        await request.app.state.database.ping()
    except PyMongoError as error:
        raise Unavailable("The database does not answer.") from error
    request.app.state.outage.check_room()
    checks: dict[str, HealthCheck] = request.app.state.health_checks
    well = await asyncio.gather(*(_is_well(name, check) for name, check in checks.items()))
    if not all(well):
        failing = ", ".join(name for name, is_well in zip(checks, well, strict=True) if not is_well)
        raise Unavailable(f"These are not well: {failing}.")
    return Readiness(checks={"database": "ok", **dict.fromkeys(checks, "ok")})


async def _is_well(name: str, check: HealthCheck) -> bool:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await check()
    except Exception:
        log.exception("The health check of %s fails", name)
        return False
    return True
