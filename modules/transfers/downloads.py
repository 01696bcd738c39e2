"""What answers that are files have in common."""


def download(name: str) -> dict[str, str]:
    """The headers of a file that a browser keeps under this name."""
    return {"Content-Disposition": f'attachment; filename="{name}"'}
