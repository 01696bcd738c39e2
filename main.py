"""The service: `python main.py` serves it, and so does `uvicorn main:app`."""

import uvicorn

from core.app import create_app
from core.errors import StartupError
from core.logs import configure_logs
from core.settings import Settings

# How long requests that are under way may take after the service was asked to stop.
GRACE_SECONDS = 10

try:
    app = create_app()
except StartupError as error:
    raise SystemExit(f"The service cannot start. {error}") from None


if __name__ == "__main__":
    settings: Settings = app.state.settings
    configure_logs(settings.log_level)
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
