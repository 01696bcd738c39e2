"""What kind of answer a client would rather have (RFC 9110, section 12.5.1)."""

import re

_RANGE = re.compile(r"([^\s/;]+/[^\s/;]+)\s*(?:;.*)?")
_WEIGHT = re.compile(r";\s*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*(?:;|$)")
_UNREADABLE = re.compile(r";\s*q\s*=")


def prefers_html(accept: str) -> bool:
    """Whether whoever sent this `Accept` header would rather have a page than JSON. Browsers name `text/html`;
    whoever has no preference is a program."""
    weights = _weights(accept.lower())
    return _weight("text/html", weights) > _weight("application/json", weights)


def _weight(kind: str, weights: dict[str, float]) -> float:
    """That of the most specific range which holds this kind; 0 if it is in none."""
    ranges = (kind, f"{kind.partition('/')[0]}/*", "*/*")
    return next((weights[name] for name in ranges if name in weights), 0.0)


def _weights(accept: str) -> dict[str, float]:
    """Each media range with its weight, the greatest where it is named again. Its parameters do not count, for we
    have one variant of each kind; what cannot be read is passed over."""
    weights: dict[str, float] = {}
    for part in accept.split(","):
        name, weight = _RANGE.fullmatch(part.strip()), _WEIGHT.search(part)
        if name and (weight or not _UNREADABLE.search(part)):
            weights[name[1]] = max(weights.get(name[1], 0.0), float(weight[1]) if weight else 1.0)
    return weights
