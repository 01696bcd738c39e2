"""Strategies for invalid values, texts and bytes that have broken services before."""

import json
from typing import Any

from hypothesis import strategies as st

WORDS = (
    *(
        "",
        " ",
        "\t",
        "\r\n",
        "\0",
        "a\0b",
        "\ud800",
        "a\udfff",
        "\ufeff",
        "\u2028",
        "\u202e",
        "\x7f",
        "\x85",
        "é",
        "e\u0301",
    ),
    *(
        "ß",
        "İ",
        "ﬁ",
        "\U0001d518",
        "👩‍👩‍👧",
        "null",
        "None",
        "true",
        "NaN",
        "Infinity",
        "-0",
        "1e400",
        "0x10",
        "٣",
        "1_000",
        "१",
    ),
    *(".", "..", "../..", "/", "\\", "//", "%", "%00", "%zz", "%ff", "%2e%2e", "?", "#", "&", "=", ";", ",", '"', "'"),
    *("$where", "$gt", "a.b", "__proto__", "_id", "constructor", "{}", "[]", '{"$ne": null}', "*", "-", "--", "+", "~"),
    *("=cmd|' /C calc'!A0", "<script>", "${jndi:x}", "{{7*7}}", "%s%n", "' OR 1=1 --", "\x1b[31m", "a\nb", "a" * 65),
    *(
        "2026-11-22T09:30:00Z",
        "0000-00-00",
        "9999-12-31T23:59:59.999999+23:59",
        "-1",
        "2147483648",
        "9" * 19,
        "9" * 400,
    ),
)
LONG = (65, 201, 201, 1000, 1000, 4001, 9000, 20_000, 70_000)

texts = st.one_of(
    st.sampled_from(WORDS),
    st.text(max_size=12),
    st.builds(
        lambda word, size: (word or "x") * (size // len(word or "x")), st.sampled_from(WORDS), st.sampled_from(LONG)
    ),
)
"""Short texts, and some of up to 70,000 characters."""

short_texts = st.one_of(st.sampled_from(WORDS), st.text(max_size=12)).map(lambda text: text[:100])

numbers = st.one_of(
    st.sampled_from(
        (0, -1, 1, 101, 2**31, 2**53 + 1, 2**63, -(2**63) - 1, 10**400, -0.0, 1e308, 0.005, 99.999, 1e-320)
    ),
    st.sampled_from((float("nan"), float("inf"), float("-inf"))),
    st.integers(),
    st.floats(),
)

values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(short_texts, inner, max_size=4),
    max_leaves=6,
)
"""Values of JSON, and those that only Python's JSON has: NaN, infinities, lone surrogates."""

floods = st.sampled_from(
    (
        {f"field{number}": number for number in range(101)},
        {f"field{number}": number for number in range(20_000)},
        [[]] * 20_000,
        ["x"] * 20_000,
        {"": {"": {"": {"": {}}}}},
        "x" * 900_000,
    )
)

broken_json = st.one_of(
    st.sampled_from(
        (
            b"",
            b" ",
            b"{",
            b"[1,",
            b'{"a":}',
            b"{'a':1}",
            b'{"a":1,}',
            b"NaN",
            b"-Infinity",
            b"[1e400]",
            b"9" * 5000,
            b'{"a":' + b"9" * 5000 + b"}",
            b"\xff\xfe{\0}\0",
            b"\xef\xbb\xbf{}",
            b'"\xed\xa0\x80"',
            b'"\\ud800"',
            b'"\\u0000"',
            b'{"a":"\n"}',
            b"{}{}",
            b"/**/{}",
            b"[" * 100_000,
            b'{"a":' * 50_000,
            b"[" * 900 + b"]" * 900,
            b'{"a":' * 900 + b"1" + b"}" * 900,
        )
    ),
    st.binary(max_size=40),
)


def as_json(value: Any, *, ascii_only: bool) -> bytes:
    """Return the value as JSON, with lone surrogates as escapes or, which is invalid, as bytes."""
    return json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")


@st.composite
def corrupted(draw: st.DrawFn, good: bytes) -> bytes:
    """Generate a corrupted text: cut off, partly duplicated, with a random text in it, or in another encoding."""
    # The length of the text may depend on earlier responses; what Hypothesis draws must not depend on them.
    position = draw(st.integers(0, 9999)) % (len(good) + 1)
    match draw(st.sampled_from(("cut", "duplicate", "insert", "replace", "encode", "bytes"))):
        case "cut":
            return good[:position]
        case "duplicate":
            return good[:position] + good
        case "insert":
            return good[:position] + draw(texts).encode("utf-8", "surrogatepass") + good[position:]
        case "replace":
            parts = good.replace(b"\n", b"\n,").split(b",")
            parts[position % len(parts)] = draw(texts).encode("utf-8", "surrogatepass")
            return b",".join(parts).replace(b"\n,", b"\n")
        case "encode":
            encoding = draw(st.sampled_from(("utf-16", "utf-16-le", "utf-32", "utf-8-sig", "latin-1", "cp037")))
            return good.decode("utf-8", "replace").encode(encoding, "replace")
        case _:
            return good[:position] + draw(st.binary(max_size=20)) + good[position:]
