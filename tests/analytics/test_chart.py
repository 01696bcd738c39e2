"""GET /statistics.svg: a well-formed chart that also has a description in words, and runs no scripts."""

import re
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from fastapi.testclient import TestClient

from modules.analytics.chart import service as chart
from modules.analytics.chart import svg
from tests.analytics.classroom import store_students, student

NAMES = {"svg": "http://www.w3.org/2000/svg"}
ALLOWED = {"svg", "title", "desc", "style", "rect", "text", "line", "circle", "g"}


def draw(client: TestClient, **parameters: Any) -> ET.Element:
    answer = client.get("/statistics.svg", params=parameters)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/svg+xml"
    return ET.fromstring(answer.text)


def texts(drawn: ET.Element) -> list[str]:
    return [element.text or "" for element in drawn.iterfind(".//svg:text", NAMES)]


def headings(drawn: ET.Element) -> list[str]:
    return [element.text or "" for element in drawn.iterfind(".//svg:text[@class='h2']", NAMES)]


def branches(drawn: ET.Element) -> list[str]:
    return [element.text or "" for element in drawn.iterfind(".//svg:text[@class='name']", NAMES)]


def description(drawn: ET.Element) -> str:
    return drawn.findtext("svg:desc", "", NAMES)


def test_each_subject_has_bars_and_each_branch_a_box(api: TestClient) -> None:
    store_students(api, [student(f"S{n}", {"math": 10 * n, "art": 5}, f"Branch {n % 2}") for n in range(10)])

    drawn = draw(api)

    assert headings(drawn) == ["art", "math"]
    assert branches(drawn) == ["Branch 0", "Branch 1"] * 2
    assert len(drawn.findall(".//svg:rect[@class='bar']", NAMES)) == 1 + 10
    assert len(drawn.findall(".//svg:rect[@class='box']", NAMES)) == 4
    assert {"0", "50", "100", "Mark in math", "Students"} <= set(texts(drawn))


def test_the_chart_has_a_description_in_words(api: TestClient) -> None:
    store_students(api, [student("S1", {"math": 40}, "Arts"), student("S2", {"math": 60.4}, "Arts")])

    drawn = draw(api)

    assert drawn.get("role") == "img"
    assert drawn.get("aria-labelledby") == "title desc"
    assert drawn.findtext("svg:title", "", NAMES) == "Marks by subject and branch"
    summary = "n 2, lowest 40, lower quartile 45.1, median 50.2, upper quartile 55.3, highest 60.4, mean 50.2."
    assert f"math: {summary} Arts: {summary}" in description(drawn)


def test_the_chart_scales_to_any_width_and_supports_dark_mode(api: TestClient) -> None:
    drawn = draw(api)

    assert (drawn.get("viewBox") or "").startswith("0 0 780 ")
    assert drawn.get("width") is None
    assert "@media (prefers-color-scheme:dark)" in drawn.findtext("svg:style", "", NAMES)


EVIL = "<script>alert('x')</script>\"&amp;"


def test_text_of_users_is_escaped(api: TestClient) -> None:
    store_students(api, [student("S1", {EVIL: 40}, EVIL + "]]>"), student("S2", {EVIL: 4}, "</svg>")])

    drawn = draw(api)

    assert {element.tag.partition("}")[2] for element in drawn.iter()} <= ALLOWED
    assert headings(drawn) == [EVIL]
    assert sorted(branches(drawn)) == ["</svg>", svg.fitted(EVIL + "]]>", 172, 12)]
    assert EVIL in description(drawn)
    attributes = [name for element in drawn.iter() for name in element.attrib]
    assert not [name for name in attributes if name.startswith("on") or "href" in name]


def test_a_browser_may_neither_run_nor_load_anything(api: TestClient) -> None:
    policy = api.get("/statistics.svg").headers["content-security-policy"]

    assert policy.startswith("default-src 'none'; ")
    assert "script-src" not in policy
    assert "sandbox" in policy


def test_the_largest_branches_and_the_first_subjects_are_drawn_and_the_others_named(api: TestClient) -> None:
    marks = {f"subject {number}": 50 for number in range(8)}
    sizes = [f"Branch {number:02}" for number in range(24) for _ in range(1 + (number >= 12))]
    store_students(api, [student(f"S{number}", marks, branch) for number, branch in enumerate(sizes)])

    drawn = draw(api)

    assert headings(drawn) == [f"subject {number}" for number in range(chart.MAX_SUBJECTS)]
    assert branches(drawn)[:12] == [f"Branch {number}" for number in range(12, 24)]
    notes = " ".join(texts(drawn))
    assert "Subjects not shown: subject 6, subject 7." in notes
    assert "36 students in 24 branches." in notes
    assert "Smaller branches not shown: Branch 00, Branch 01," in notes
    assert "Branch 07 and 4 others." in notes
    (first, *_) = [element.text for element in drawn.iterfind(".//svg:text[@class='soft']", NAMES)
                   if "marks, mean" in (element.text or "")]  # fmt: skip
    assert first == "36 marks, mean 50, standard deviation 0, median 50", "the bars include all branches"


def test_only_the_requested_branches_and_subjects_are_drawn(api: TestClient) -> None:
    store_students(api, [student(f"S{n}", {"math": n, "art": n}, f"Branch {n}") for n in range(3)])

    drawn = draw(api, branch=["Branch 1", "Branch 2"], subject="math")

    assert (headings(drawn), branches(drawn)) == (["math"], ["Branch 1", "Branch 2"])


def test_a_school_without_students_has_a_chart_that_says_so(api: TestClient) -> None:
    drawn = draw(api)

    assert "There are no students to show." in texts(drawn)
    assert "no students" in description(drawn)


def test_a_subject_without_marks_says_so(api: TestClient) -> None:
    store_students(api, [student("S1", {}, "Arts")])

    drawn = draw(api, subject="alchemy")

    assert headings(drawn) == ["alchemy"]
    assert {"0 marks", "no marks", "1 student in 1 branch."} <= set(texts(drawn))


def test_branches_are_counted_up_to_a_limit(api: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chart, "MAX_COUNTED", 3)
    store_students(api, [student(f"S{n}", {"math": n}, f"Branch {n}") for n in range(5)])

    assert "5 students in 3 branches or more." in " ".join(texts(draw(api)))


@pytest.mark.parametrize("name", ["i" * 200, "W" * 200, "工" * 200, "Department of Physics " * 9, "e\u0301" * 90])
def test_a_label_is_truncated_to_its_maximum_width(name: str) -> None:
    shown = svg.fitted(name, 172, 12)

    assert svg.width(shown, 12) <= 172
    assert shown.endswith("…") or shown == name


def test_long_texts_are_split_into_lines() -> None:
    filled = svg.lines(["word"] * 50 + ["x" * 500], 200, 12)

    assert len(filled) > 5
    assert all(svg.width(line, 12) <= 200 for line in filled)
    assert re.fullmatch(r"x+…", filled[-1])


def test_a_parameter_of_statistics_that_does_not_affect_the_chart_is_refused(api: TestClient) -> None:

    answer = api.get("/statistics.svg?by=branch")

    assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (422, "by")
