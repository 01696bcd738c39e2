"""Content negotiation between HTML and JSON (RFC 9110, section 12.5.1)."""

import re

_RANGE = re.compile(r"([^\s/;]+/[^\s/;]+)\s*(?:;.*)?")
_WEIGHT = re.compile(r";\s*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*(?:;|$)")
_ANY_WEIGHT = re.compile(r";\s*q\s*=")


def prefers_html(accept: str) -> bool:
    """Return whether an `Accept` header prefers HTML to JSON, as that of a browser does. Without a preference, the
    response is JSON."""
    weights = _weights(accept.lower())
    return _weight("text/html", weights) > _weight("application/json", weights)


def _weight(kind: str, weights: dict[str, float]) -> float:
    """Return the weight of the most specific media range that includes this media type; 0 if none does."""
    ranges = (kind, f"{kind.partition('/')[0]}/*", "*/*")
    return next((weights[name] for name in ranges if name in weights), 0.0)


def _weights(accept: str) -> dict[str, float]:
    """Return the weight of each media range, the highest one for a repeated range.

    Media type parameters are ignored, as there is one variant of each type; malformed ranges are skipped.
    """
    weights: dict[str, float] = {}
    for part in accept.split(","):
        name, weight = _RANGE.fullmatch(part.strip()), _WEIGHT.search(part)
        if name and (weight or not _ANY_WEIGHT.search(part)):
            weights[name[1]] = max(weights.get(name[1], 0.0), float(weight[1]) if weight else 1.0)
    return weights
