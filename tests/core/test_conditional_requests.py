"""Tests of entity tags and preconditions (RFC 9110)."""

import re

import pytest
from bson import ObjectId

from core.api.etag import TAGS_PATTERN, UNCONDITIONAL, EntityTags, Preconditions, strong_etag
from core.errors import PreconditionFailed

A, B, C = '"a"', '"b"', '"c"'
BARE = "dGhpcy1pc19vcGFxdWUh"


@pytest.mark.parametrize(
    ("header", "strongly", "weakly"),
    [
        ('"a"', {A}, {A}),
        ('"a", "b"', {A, B}, {A, B}),
        ('"a","b"', {A, B}, {A, B}),
        (' , "a" ,\t, "b", ', {A, B}, {A, B}),
        ('W/"a", "b"', {B}, {A, B}),
        ('"W/"', set(), set()),
        ('"a,b"', set(), set()),
        ('""', set(), set()),
        ("*", {A, B, C}, {A, B, C}),
        (" * ", {A, B, C}, {A, B, C}),
    ],
)
def test_a_list_of_tags_is_parsed(header: str, strongly: set[str], weakly: set[str]) -> None:
    tags = EntityTags.parse(header)

    assert {tag for tag in (A, B, C) if tags.matches(tag)} == strongly
    assert {tag for tag in (A, B, C) if tags.matches_weakly(tag)} == weakly


@pytest.mark.parametrize(
    "header",
    ["", " ", "a", '"a', 'a"', '"a" "b"', '"a", b', 'w/"a"', 'W/ "a"', '*, "a"', '"a b"', '"a\x7f"', ",", "**"],
)
def test_an_invalid_list_of_tags_is_refused(header: str) -> None:
    with pytest.raises(ValueError, match="entity tags"):
        EntityTags.parse(header)


@pytest.mark.parametrize(
    ("header", "strongly"),
    [(BARE, True), (f'"a",{BARE}', True), (f"W/{BARE}", False), (f'W/"{BARE}"', False), (f'"x{BARE}"', False)],
)
def test_a_tag_of_this_service_may_be_sent_without_quotes(header: str, strongly: bool) -> None:
    tags = EntityTags.parse(header)
    assert tags.matches(f'"{BARE}"') is strongly
    assert tags.matches_weakly(f'"{BARE}"') is (strongly or header.startswith("W/"))
    assert re.search(TAGS_PATTERN, header)


@pytest.mark.parametrize("header", ["0", BARE[1:], f"{BARE}0", f"{BARE} {BARE}", f"{BARE},0", f'{BARE}"'])
def test_other_tags_need_their_quotes(header: str) -> None:
    with pytest.raises(ValueError, match="entity tags"):
        EntityTags.parse(header)
    assert not re.search(TAGS_PATTERN, header)


CHANGED = ['W/"{}"', "W/{}", '"{}-gzip"', 'W/"{}-gzip"', '"{}-br"', '"{}-zstd"', '"x", W/"{}"']


@pytest.mark.parametrize("form", CHANGED)
def test_a_tag_that_a_proxy_has_changed_matches_weakly_and_its_412_says_so(form: str) -> None:
    etag, tags = f'"{BARE}"', EntityTags.parse(form.format(BARE))
    assert not tags.matches(etag)
    assert tags.matches_weakly(etag)
    assert tags.matches_weakly(f"W/{etag}")

    sent = form.format(BARE).rpartition(" ")[2].replace(f"/{BARE}", f"/{etag}")
    for known, sentences in ((etag, (f"has made {sent} of", f"If-Match: {etag}")), (A, ("has changed since",))):
        with pytest.raises(PreconditionFailed) as raised:
            Preconditions(tags).check(known)
        assert all(sentence in str(raised.value.detail) for sentence in sentences)
        assert raised.value.headers == {"ETag": known}
    with pytest.raises(PreconditionFailed):
        Preconditions(if_none_match=tags).check(etag)
    Preconditions(if_none_match=tags).check(A)


@pytest.mark.parametrize(
    "header", [f'"{BARE}-gzip-br"', f'"{BARE}gzip"', f'"{BARE}-GZIP"', '"-gzip"', f'"x{BARE}-gzip"']
)
def test_other_tags_are_those_of_other_states(header: str) -> None:
    assert not EntityTags.parse(header).matches_weakly(f'"{BARE}"')


def test_a_long_list_is_read_in_no_time() -> None:
    assert EntityTags.parse(", ".join([A] * 5000)).matches(A)
    with pytest.raises(ValueError, match="entity tags"):
        EntityTags.parse(", ".join([A] * 5000) + " x")
    with pytest.raises(ValueError, match="entity tags"):
        EntityTags.parse(" ,\t" * 10_000)


def test_each_version_of_each_document_has_a_unique_tag() -> None:
    one, other = ObjectId(), ObjectId()

    tags = {strong_etag(document, version) for document in (one, other) for version in range(1, 1000)}

    assert len(tags) == 2 * 999
    assert strong_etag(one, 1) == strong_etag(one, 1)
    assert EntityTags.parse(strong_etag(one, 1)).matches(strong_etag(one, 1))


@pytest.mark.parametrize(
    ("conditions", "holds"),
    [
        (UNCONDITIONAL, True),
        (Preconditions(EntityTags.parse(A)), True),
        (Preconditions(EntityTags.parse(B)), False),
        (Preconditions(EntityTags.parse('W/"a"')), False),
        (Preconditions(if_none_match=EntityTags.parse(B)), True),
        (Preconditions(if_none_match=EntityTags.parse('W/"a"')), False),
        (Preconditions(if_none_match=EntityTags.parse("*")), False),
        (Preconditions(EntityTags.parse(A), EntityTags.parse(A)), False),
    ],
)
def test_preconditions_are_checked(conditions: Preconditions, holds: bool) -> None:
    if holds:
        conditions.check(A)
        return
    with pytest.raises(PreconditionFailed) as raised:
        conditions.check(A)
    assert raised.value.headers == {"ETag": A}
