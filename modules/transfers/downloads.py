"""What answers that are files have in common."""

NO_STORE = {"Cache-Control": "no-store"}


def download(name: str) -> dict[str, str]:
    """The headers of a file that a browser keeps under this name."""
    return {"Content-Disposition": f'attachment; filename="{name}"', **NO_STORE}
