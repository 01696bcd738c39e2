"""The entry point of the service: start it with `python main.py` or `uvicorn main:app`."""

from core.app import create_app
from core.errors import StartupError
from core.operations import configure_logs
from core.server import exit_zero_on_sigterm, freeze_gc, serve

try:
    app = create_app()
    configure_logs(app.state.settings.log_level, app.state.settings.log_format)
    exit_zero_on_sigterm()
    freeze_gc()
    if __name__ == "__main__":
        # Worker processes import this file under the name `__mp_main__`.
        serve(app, "__mp_main__:app", app.state.settings)
except StartupError as error:
    raise SystemExit(f"The service cannot start. {error}") from None
