"""Lists of students over HTTP: filters, search, fields, pages in both directions, and paging while others write."""

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import quote, urlencode

import httpx2
import pytest
from fastapi.testclient import TestClient

from core.database.keyset import SortKey
from modules.students.listing import pages as listing
from modules.students.listing.filters import Selection
from tests.servers import serve
from tests.students.listing import RandomWriter, pages, roll_numbers, store, student_with_common_values


def at(minute: int) -> datetime:
    return datetime(2026, 1, 1, 12, minute, tzinfo=UTC)


SCHOOL: list[dict[str, Any]] = [
    {"roll_no": "2024-CS-007", "name": "अमित कुमार", "branch": "Computer Science", "marks": {"math": 100}},
    {"roll_no": "S1", "name": "Asha Rao", "branch": "Physics", "marks": {"math": 40, "Art / Design": 70, "1": 5}},
    {"roll_no": "S2", "name": "Zoë O'Neil", "branch": "Chemistry", "marks": {"math": 72.5, "Art / Design": 10}},
    {"roll_no": "S3", "name": "Łukasz Groß", "branch": "Physics", "marks": {"math": 0, "1": 9.5}},
    {"roll_no": "S4", "name": "Søren Ash-Lee", "branch": "Computer Science", "marks": {}},
]
AMIT, ASHA, ZOE, LUKASZ, SOREN = EVERYONE = [student["roll_no"] for student in SCHOOL]


@pytest.fixture
def school(client: TestClient) -> TestClient:
    """Store five students, changed one minute after another. Return a teacher's client."""
    store(client, ({**student, "updated_at": at(minute)} for minute, student in enumerate(SCHOOL)))
    return client


def listed(client: TestClient, **parameters: Any) -> list[str]:
    answer = client.get("/students", params=parameters)
    assert answer.status_code == 200, answer.text
    return roll_numbers(answer)


def not_found(client: TestClient, query: str) -> list[str]:
    """Request a page that does not exist. Return the parameters that the errors name."""
    return refused(client, query, 404)


def refused(client: TestClient, query: str, status: int = 422) -> list[str]:
    """Request a list that is refused. Return the parameters that the errors name."""
    answer = client.get(f"/students?{query}")
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return [error["parameter"] for error in answer.json()["errors"]]


FILTERS: list[tuple[dict[str, Any], list[str]]] = [
    ({}, EVERYONE),
    ({"branch": "Physics"}, [ASHA, LUKASZ]),
    ({"branch": " Physics "}, [ASHA, LUKASZ]),
    ({"branch": ["Physics", "Chemistry"]}, [ASHA, ZOE, LUKASZ]),
    ({"branch": ["physics", "Phys"]}, []),
    ({"marks.math.gte": "40"}, [AMIT, ASHA, ZOE]),
    ({"marks.math.gt": "40"}, [AMIT, ZOE]),
    ({"marks.math.lte": "40"}, [ASHA, LUKASZ]),
    ({"marks.math.lt": "40"}, [LUKASZ]),
    ({"marks.math.gte": "40", "marks.math.lt": "100"}, [ASHA, ZOE]),
    ({"marks.math.gt": "40", "marks.math.lte": "72.5"}, [ZOE]),
    ({"marks.math.gt": "40", "marks.math.gte": "72.5"}, [AMIT, ZOE]),
    ({"marks.math.gte": "0"}, [AMIT, ASHA, ZOE, LUKASZ]),
    ({"marks.math.lt": "1000"}, [AMIT, ASHA, ZOE, LUKASZ]),
    ({"marks.math.gt": "100"}, []),
    ({"marks.math.gte": "7.25e1"}, [AMIT, ZOE]),
    ({"marks.math.gt": "1e-300"}, [AMIT, ASHA, ZOE]),
    ({"marks.math.lt": "-0.5"}, []),
    ({"marks.chess.gte": "0"}, []),
    ({"marks.Art / Design.gte": "50"}, [ASHA]),
    ({"marks.Art / Design.lt": "50"}, [ZOE]),
    ({"marks.1.gte": "5"}, [ASHA, LUKASZ]),
    ({"marks.1.gt": "5"}, [LUKASZ]),
    ({"marks.math.gte": "40", "marks.Art / Design.gte": "50"}, [ASHA]),
    ({"missing": "math"}, [SOREN]),
    ({"missing": "Art / Design"}, [AMIT, LUKASZ, SOREN]),
    ({"missing": "1"}, [AMIT, ZOE, SOREN]),
    ({"missing": ["Art / Design", "1"]}, [AMIT, SOREN]),
    ({"missing": "mat"}, EVERYONE),
    ({"missing": "math", "marks.math.gte": "0"}, []),
    ({"missing": "1", "branch": "Computer Science", "marks.math.gt": "5"}, [AMIT]),
    ({"updated_since": "2026-01-01T12:02:00Z"}, [ZOE, LUKASZ, SOREN]),
    ({"updated_since": "2026-01-01T12:02:00.001Z"}, [LUKASZ, SOREN]),
    ({"updated_since": "2026-01-01T14:02:00+02:00"}, [ZOE, LUKASZ, SOREN]),
    ({"updated_since": "2026-01-01T07:32:00-04:30"}, [ZOE, LUKASZ, SOREN]),
    ({"updated_since": "2030-01-01T00:00:00Z"}, []),
    ({"updated_since": "2026-01-01T12:02:00Z", "branch": "Physics", "q": "luk"}, [LUKASZ]),
    ({"roll_no": ZOE}, [ZOE]),
    ({"roll_no": [SOREN, AMIT, "S9", ZOE, AMIT]}, [AMIT, ZOE, SOREN]),
    ({"roll_no": ["s1", "S"]}, []),
    ({"roll_no": [SOREN, AMIT, ZOE], "branch": "Computer Science", "missing": "math"}, [SOREN]),
    ({"roll_no": [ASHA, LUKASZ], "where": ["marks.math<40|marks.1<5", "branch!=Chemistry"]}, [LUKASZ]),
]


def test_a_list_contains_the_students_who_pass_all_filters(school: TestClient) -> None:
    by_mark = (AMIT, ZOE, ASHA, LUKASZ, SOREN)
    for parameters, expected in FILTERS:
        counted = school.get("/students", params={**parameters, "count": "true", "limit": 2})
        assert (roll_numbers(counted), counted.headers["total-count"]) == (expected[:2], str(len(expected))), parameters

        found = [listed(school, **parameters), listed(school, **parameters, sort="-marks.math,name")]
        assert found == [expected, [roll_no for roll_no in by_mark if roll_no in expected]], parameters


def test_the_plus_of_an_offset_may_be_left_unencoded(school: TestClient) -> None:
    for offset in ("+02:00", "+0200", quote("+02:00")):
        assert roll_numbers(school.get(f"/students?updated_since=2026-01-01T14:02:00{offset}")) == [ZOE, LUKASZ, SOREN]


SEARCHES: list[tuple[list[str], list[str]]] = [
    (["ash", "ASH", "Ash", " ash ", "ásh", "a", "ash a"], [ASHA, SOREN]),
    (["asha", "ash rao", "rao ash", "RAO, asha!", "rao s1", "s1", "S1"], [ASHA]),
    (["zoe", "Zoë", "ZOË", "Zoe\u0308", "o'neil", "O\u2019Neil", "neil zo", "nei"], [ZOE]),
    (["gross", "groß", "GROẞ", "GROSS", "łuk", "Luk", "ŁUKASZ", "gro lu"], [LUKASZ]),
    (["søren", "soren", "SØ", "lee soren", "ash-lee", "ash-l"], [SOREN]),
    (["अमित", "अमि", "कुमार अमित", "2024-cs-007", "2024-CS", "cs-007", "007 2024", "2024_c"], [AMIT]),
    (["s"], [ASHA, ZOE, LUKASZ, SOREN]),
    (["sha", "ash zoe", "ashar", "eil", "अमर", "a.*o", "s1 s2", "[a-z]"], []),
]


def test_a_search_finds_students_by_prefixes_of_words(school: TestClient) -> None:
    for queries, expected in SEARCHES:
        assert {q: listed(school, q=q) for q in queries} == dict.fromkeys(queries, expected)


def test_a_search_finds_changed_students(school: TestClient) -> None:
    school.patch(f"/students/{ASHA}", json={"name": "Usha Rao"})
    school.post(f"/students/{ZOE}/rename", json={"roll_no": "T-2"})

    assert listed(school, q="ash") == [SOREN]
    assert listed(school, q="ush") == [ASHA]
    assert listed(school, q="s2") == []
    assert listed(school, q="zoe t") == ["T-2"]


def test_lists_work_on_the_in_memory_database(either: TestClient) -> None:
    client = either
    for student in SCHOOL:
        assert client.post("/students", json=student).status_code == 201
    assert client.delete(f"/students/{SOREN}").status_code == 204

    assert listed(client) == EVERYONE[:4]
    assert listed(client, branch="Physics", **{"marks.math.lt": "40"}) == [LUKASZ]
    assert listed(client, missing="1") == [AMIT, ZOE]
    assert listed(client, where=["marks.math<40|missing=1", "branch!=Chemistry|name=x"]) == [AMIT, LUKASZ]
    assert listed(client, roll_no=[ASHA, SOREN, ZOE], where="marks.math!=40") == [ZOE]
    assert listed(client, q="rao as") == [ASHA]
    walk = list(pages(client, "/students?sort=-marks.1,name&limit=1&fields=roll_no&count=true"))
    assert [page.json() for page in walk] == [[{"roll_no": one}] for one in (LUKASZ, ASHA, ZOE, AMIT)]
    assert {page.headers["total-count"] for page in walk} == {"4"}
    assert roll_numbers(*pages(client, walk[-1].links["prev"]["url"], "prev")) == [ZOE, ASHA, LUKASZ]


def test_a_deleted_student_is_on_no_list(school: TestClient) -> None:
    assert school.delete(f"/students/{ASHA}").status_code == 204

    queries = ["", "branch=Physics", "marks.math.gte=0", "missing=chess", "updated_since=2026-01-01T00:00:00Z", "q=s"]
    for query in [*queries, "sort=-name", "sort=marks.math", "sort=-marks.1,branch"]:
        answer = school.get(f"/students?count=true&{query}")
        found = roll_numbers(answer)
        assert ASHA not in found, query
        assert LUKASZ in found, query
        assert answer.headers["total-count"] == str(len(found)), query
    assert listed(school, q="rao") == []


FIELDS = {
    "name": ["name"],
    "roll_no,marks": ["roll_no", "marks"],
    "marks,name,roll_no": ["roll_no", "name", "marks"],  # always as in the whole record
    "name,name": ["name"],
    "updated_at,created_at,branch": ["branch", "created_at", "updated_at"],
}


def test_a_list_contains_only_the_requested_fields(school: TestClient) -> None:
    whole = school.get("/students", params={"sort": "-branch,marks.math"}).json()
    for fields, returned in FIELDS.items():
        parts = school.get("/students", params={"sort": "-branch,marks.math", "fields": fields}).json()

        assert [list(part) for part in parts] == [returned] * 5
        assert parts == [{field: student[field] for field in returned} for student in whole]


def test_an_entry_of_a_list_equals_the_student(school: TestClient) -> None:
    assert school.get("/students").json() == [school.get(f"/students/{roll_no}").json() for roll_no in EVERYONE]


def test_each_student_has_its_etag_on_request(school: TestClient) -> None:
    school.patch(f"/students/{ASHA}", json={"name": "Usha Rao"})

    for query in ("fields=etag,roll_no", "fields=roll_no,etag&sort=-marks.math", "fields=roll_no,etag&q=s"):
        listed = school.get(f"/students?{query}").json()
        assert listed
        for student in listed:
            assert list(student) == ["roll_no", "etag"]
            assert student["etag"] == school.get(f"/students/{student['roll_no']}").headers["etag"], query


def test_the_etag_of_a_listed_student_is_the_value_of_if_match(school: TestClient) -> None:
    (row,) = school.get("/students?fields=etag&q=asha").json()

    saved = [school.patch(f"/students/{ASHA}", json={"name": name}, headers={"If-Match": row["etag"]}) for name in "XY"]

    assert [answer.status_code for answer in saved] == [200, 412]


def test_a_sort_order_may_name_a_field_twice(school: TestClient) -> None:
    for twice, once in (("name,name", "name"), ("-name,name", "-name"), ("roll_no,-roll_no", "roll_no")):
        assert listed(school, sort=twice) == listed(school, sort=once)


def test_a_search_for_symbols_finds_nobody(school: TestClient) -> None:
    assert listed(school, q="\u20ac \u2013") == []
    assert school.get("/exports/students?q=%E2%82%AC&format=ndjson").content == b""


def test_students_are_counted_only_on_request(school: TestClient) -> None:
    assert "total-count" not in school.get("/students").headers
    assert "total-count" not in school.get("/students", params={"count": "false"}).headers


UNSORTABLE = ["marks", "marks.", "marks.a.b", "marks.$a", "marks.a%00", "keys.live", "name;x", "marks." + "x" * 65]

WRONG = {
    "sort": [
        "",
        "x",
        "name,branch,roll_no",
        "--name",
        "+name",
        "name,",
        " name",
        "_id",
        *UNSORTABLE,
    ],
    "limit": ["0", "501", "-1", "abc", "1.5", "", "1e2", "9" * 400],
    "roll_no": ["", "a%20b", "%C3%A9", "..", "x" * 65, "S1&roll_no=S%2F2", "&roll_no=".join(map(str, range(501)))],
    "where": ["", "branch", "x=1", "branch=8A|", "name=x|" * 10, "x" * 1001, "&where=".join(["branch=x"] * 11)],
    "branch": ["", "%20", "a%0Ab", "a%00", "x" * 201, "&branch=".join("x" * 21)],
    "missing": ["", "a.b", "$a", "a%00", "x" * 65, "&missing=".join("x" * 21)],
    "updated_since": ["", "x", "2026-01-01", "2026-01-01T00:00:00", "9999-12-31T23:59:59-10:00", "1e9"],
    "q": ["", "%20", "!!", ".*", "'", "x" * 201, "+".join("abcdefghijk")],
    "fields": ["", "x", "name,", "name,version", "_id", "Name", "marks.math", "keys"],
    "count": ["x", "2", ""],
    "cursor": ["", "x", "AAAA", "a" * 2501, "%00", "é", "="],
    "marks": ["5", ""],
    **{
        f"marks.{name}": ["5"]
        for name in ("", "math", "math.", "math.eq", "math.GTE", "math.$gte", ".gte", "gte", "a.b.gte", "$a.gte")
    },
    "marks.math.gte": ["", "x", "NaN", "inf", "1e9", "-1e999", "0x1", "1&marks.math.gte=2", "\u0661", "4,5", "1" * 10],
    **{name: ["1"] for name in ("page", "offset", "skip", "Branch", "$where", "branch[$ne]", "name", "where[]")},
}


def test_a_wrong_parameter_is_named(school: TestClient) -> None:
    for parameter, values in WRONG.items():
        named = {value: set(refused(school, f"{parameter}={value}")) for value in values}
        assert named == {value: {parameter} for value in values}


def test_a_number_is_not_a_time(school: TestClient) -> None:
    for number in ("0", "20260101", "1767225600", "-5", "1.5"):
        assert refused(school, f"updated_since={number}") == ["updated_since"]


def test_a_bound_is_given_only_once_however_its_subject_is_spelled(school: TestClient) -> None:
    assert refused(school, "marks.math.gte=50&marks.%20math.gte=10")
    assert refused(school, "marks.e%CC%81.gte=50&marks.%C3%A9.gte=10")


def test_every_wrong_parameter_is_named_at_once(school: TestClient) -> None:
    assert set(refused(school, "limit=0&sort=x&q=!&fields=y&marks.math.gte=z&missing=a.b&roll_no=a:b&where=c")) == {
        "limit", "sort", "q", "fields", "marks.math.gte", "missing", "roll_no", "where",
    }  # fmt: skip


def test_the_wrong_one_of_many_roll_numbers_is_named(school: TestClient) -> None:
    refused = school.get("/students", params={"roll_no": [f"S{n}" for n in range(499)] + ["S/9"]})
    assert refused.json()["errors"] == [
        {
            "code": "code_character",
            "detail": "Value 500: Use only the letters A to Z, digits, '.', '_' and '-'. Write '-' instead of '/'.",
            "parameter": "roll_no",
        }
    ]

    refused = school.get("/students", params={"roll_no": [f"S{n}" for n in range(501)]})
    assert refused.json()["errors"] == [
        {"code": "too_long", "detail": "This must have at most 500 entries.", "parameter": "roll_no"}
    ]


def test_many_students_are_read_at_once_by_roll_number(client: TestClient) -> None:
    store(client, ({"roll_no": f"{n:03}", "name": "n", "branch": "b", "marks": {"math": n % 7}} for n in range(600)))
    wanted = [f"{n:03}" for n in range(599, 99, -1)]

    whole = client.get("/students", params={"roll_no": wanted, "count": "true"})
    sorted_ = client.get("/students", params={"roll_no": wanted, "sort": "-marks.math,-roll_no"})
    page = client.get("/students", params={"roll_no": wanted, "limit": 100})

    assert roll_numbers(whole) == wanted[::-1]
    assert (whole.headers["total-count"], "link" in whole.headers) == ("500", False)
    assert roll_numbers(sorted_) == sorted(wanted, key=lambda roll_no: (int(roll_no) % 7, roll_no), reverse=True)
    assert roll_numbers(*pages(client, str(page.url))) == wanted[::-1]


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_paging_backward_returns_the_same_list(school: TestClient, limit: int) -> None:
    for sort in ("roll_no", "-roll_no", "-natural", "name", "last_name", "-branch", "marks.math", "-marks.math,-name"):
        whole = listed(school, sort=sort)
        start = "/students?" + urlencode({"sort": sort, "limit": limit})

        forward = list(pages(school, start))
        backward = list(pages(school, str(forward[-1].url), "prev"))

        assert sorted(whole) == EVERYONE
        assert [roll_numbers(page) for page in forward] == [whole[n : n + limit] for n in range(0, 5, limit)]
        assert roll_numbers(*backward[::-1]) == whole
        assert [len(page.json()) for page in backward] == [5 % limit or limit, *[limit] * (len(forward) - 1)]
        assert ["prev" in page.links for page in forward] == [False, *[True] * (len(forward) - 1)]
        assert {page.links["first"]["url"] for page in forward[1:]} == {start for _ in forward[1:]}


def test_links_keep_every_other_parameter(school: TestClient) -> None:
    parameters = {"branch": ["Physics", "Chemistry"], "marks.math.gte": "0", "missing": ["chess", "Go / 囲碁"]}

    first = school.get("/students", params={**parameters, "sort": "-name", "limit": 1, "fields": "roll_no"})
    second = school.get(first.links["next"]["url"])
    third = school.get(second.links["next"]["url"])

    assert [page.json()[0] for page in (first, second, third)] == [{"roll_no": one} for one in (ZOE, LUKASZ, ASHA)]
    assert first.links.keys() == {"next"}
    assert second.links.keys() == {"next", "prev", "first"}
    assert third.links.keys() == {"prev", "first"}
    assert school.get(third.links["first"]["url"]).json() == first.json()
    assert school.get(third.links["prev"]["url"]).json() == second.json()


def test_a_list_of_one_page_has_no_links(school: TestClient) -> None:
    assert "link" not in school.get("/students", params={"limit": 5}).headers
    assert "link" not in school.get("/students", params={"q": "nobody"}).headers


def cursor(client: TestClient, query: str = "", path: str = "/students") -> str:
    link = client.get(f"{path}?limit=1&{query}").links["next"]["url"]
    return httpx2.URL(link).params["cursor"]


def test_limit_fields_and_count_may_change_from_page_to_page(school: TestClient) -> None:
    answer = school.get(f"/students?sort=-name&limit=3&fields=roll_no&count=true&cursor={cursor(school, 'sort=-name')}")

    assert answer.json() == [{"roll_no": one} for one in listed(school, sort="-name")[1:4]]


def test_cursors_of_earlier_versions_stay_valid() -> None:
    """They are bound to this text, which therefore must not change for requests without newer parameters."""
    bound = {sort: Selection.model_validate({"branch": ["8A"], "sort": sort}).name for sort in ("-branch", "-name")}

    text = '{"branch": ["8A"], "marks": {}, "missing": [], "q": null, "sort": "%s", "updated_since": null}'
    assert bound["-branch"] == text % "-branch"
    assert bound["-name"] != text % "-name", "a cursor of an earlier version, with names in another order, must fail"


def test_a_cursor_is_valid_only_for_its_sort_and_filters(school: TestClient) -> None:
    own = ["sort=name", "branch=Physics", "missing=chess", "marks.math.gte=0", "q=s", "", "roll_no=S1&roll_no=S2"]
    others = ["sort=-name", "sort=name,branch", "branch=Chemistry", "missing=1", "marks.math.gt=0", "q=a", "roll_no=S1"]
    for query in own:
        good = cursor(school, query)
        for other in [*others, *own]:
            if other != query:
                assert not_found(school, f"{other}&cursor={good}") == ["cursor"], (query, other)


def test_a_cursor_is_valid_only_for_its_list(school: TestClient) -> None:
    school.patch(f"/students/{ASHA}", json={"name": "Usha Rao"})
    of_history = cursor(school, path=f"/students/{ASHA}/history")

    assert not_found(school, f"cursor={of_history}") == ["cursor"]
    answer = school.get(f"/students/{ASHA}/history?cursor={cursor(school)}")
    assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (404, "cursor")


def test_the_longest_cursor_is_accepted(school: TestClient) -> None:
    for roll_no in ("x" * 64, "y" * 64):
        student = {"roll_no": roll_no, "name": "\U0001f600" * 200, "branch": "\U0001f600" * 200}
        assert school.post("/students", json=student).status_code == 201

    found = roll_numbers(*pages(school, "/students?sort=branch,name&limit=1&q=x"))
    assert found == ["x" * 64]
    found = roll_numbers(*pages(school, "/students?sort=-branch,-name&limit=1"))
    assert found[:2] == ["x" * 64, "y" * 64]


def test_a_cursor_that_was_tampered_with_is_refused(school: TestClient) -> None:
    good = cursor(school, "sort=-marks.math")
    changed = [good[:n] + ("B" if good[n] == "A" else "A") + good[n + 1 :] for n in range(len(good))]

    for bad in [*changed, good[:-4], good + "AAAA", good[4:], good + good, good.swapcase()]:
        assert not_found(school, f"sort=-marks.math&cursor={bad}") == ["cursor"], bad
    assert school.get(f"/students?sort=-marks.math&cursor={good}").status_code == 200


SORTS = ["name", "-last_name", "natural", "-branch", "marks.math", "-marks.math,name", "branch,-name", "-updated_at"]


@pytest.mark.process
def test_paging_returns_each_unchanged_student_once_while_others_write(
    client: TestClient, mongodb_url: str, database_name: str, tmp_path: Path
) -> None:
    choice = random.Random(4)
    unchanged = [f"{number:03}" for number in range(300)]
    store(client, (student_with_common_values(roll_no, choice) for roll_no in unchanged))
    token = client.headers["Authorization"]
    stop = Event()

    with (
        serve(tmp_path, MONGODB_URL=mongodb_url, MONGODB_DATABASE=database_name) as server,
        server.client() as walker,
        ThreadPoolExecutor(max_workers=len(SORTS) + 2) as threads,
    ):
        walker.headers["Authorization"] = token

        def walk(sort: str) -> list[str]:
            return roll_numbers(*pages(walker, f"/students?sort={sort}&limit=7"))

        random_writers = [RandomWriter(walker, seed) for seed in (1, 2)]
        writers = [threads.submit(writer.write_until, stop) for writer in random_writers]
        try:
            walks = dict(zip(SORTS, threads.map(walk, SORTS), strict=True))
        finally:
            stop.set()
        for writer in writers:
            writer.result()

    for sort, seen in walks.items():
        assert sorted(roll_no for roll_no in seen if roll_no in set(unchanged)) == unchanged, sort
    assert any(set(seen) > set(unchanged) for seen in walks.values()), "nobody wrote meanwhile"
    assert all(min(writer.done.values()) > 0 for writer in random_writers)


@pytest.mark.parametrize(("descending", "nearest", "farthest"), [(False, 40, 60), (True, 60, 40)])
def test_the_range_of_a_page_by_marks_has_two_index_bounds(nearest: int, farthest: int, *, descending: bool) -> None:
    """MongoDB derives no index bound from a negation: a page from the middle would be read up to the index's end."""
    lead = SortKey("marks.math", descending, nullable=True)
    assert list(listing._between(lead, (nearest, "S1"), farthest)) == [
        {"marks.math": {"$gte": 40}},
        {"marks.math": {"$lte": 60}},
    ]
