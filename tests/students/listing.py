"""Helpers for tests of lists: store students, read page after page, and write at random meanwhile."""

import random
from collections.abc import Iterable, Iterator, Mapping
from itertools import count, cycle
from threading import Event
from typing import Any

from fastapi.testclient import TestClient
from httpx2 import Client, Response

from modules.students.models import StudentDocument


def store(client: TestClient, students: Iterable[Mapping[str, Any]]) -> None:
    """Insert students directly into the database, as if each had just been created over HTTP."""
    documents = [StudentDocument.model_validate({"updated_by": "alice", **student}) for student in students]
    assert client.portal
    if documents:
        client.portal.call(StudentDocument.insert_many, documents)


def empty(client: TestClient) -> None:
    """Delete all students from the database."""
    assert client.portal
    client.portal.call(StudentDocument.get_motor_collection().delete_many, {})


def pages(client: Client, address: str, relation: str = "next") -> Iterator[Response]:
    """Yield the page at an address, then every page that its links of this relation lead to, in order."""
    link, seen = address, set[str]()
    while link:
        assert link not in seen, f"{link} leads back to itself"
        seen.add(link)
        answer = client.get(link)
        assert answer.status_code == 200, (link, answer.text)
        yield answer
        link = answer.links.get(relation, {}).get("url", "")


def roll_numbers(*answers: Response) -> list[str]:
    """Return the roll numbers on these pages, in order."""
    return [student["roll_no"] for answer in answers for student in answer.json()]


class RandomWriter:
    """Inserts, renames, changes and deletes students of its own, and counts each kind of write in `done`."""

    def __init__(self, client: Client, seed: int) -> None:
        self.done = dict.fromkeys(["insert", "rename", "change", "delete"], 0)
        self._client = client
        self._random = random.Random(seed)
        self._own: list[str] = []
        self._numbers = (f"{self._random.randrange(300):03}-{seed}-{n}" for n in count())

    def write_until(self, stop: Event) -> None:
        for kind in cycle(["insert", "insert", "rename", "change", "delete"]):
            if stop.is_set():
                return
            assert getattr(self, f"_{kind}")() in (200, 201, 204), kind
            self.done[kind] += 1

    def _insert(self) -> int:
        self._own.append(next(self._numbers))
        return self._client.post("/students", json=student_with_common_values(self._own[-1], self._random)).status_code

    def _rename(self) -> int:
        old, new = self._take(), next(self._numbers)
        self._own.append(new)
        return self._client.post(f"/students/{old}/rename", json={"roll_no": new}).status_code

    def _change(self) -> int:
        roll_no = self._random.choice(self._own)
        return self._client.put(
            f"/students/{roll_no}", json=student_with_common_values(roll_no, self._random)
        ).status_code

    def _delete(self) -> int:
        return self._client.delete(f"/students/{self._take()}").status_code

    def _take(self) -> str:
        return self._own.pop(self._random.randrange(len(self._own)))


def student_with_common_values(roll_no: str, choice: random.Random) -> dict[str, Any]:
    """Return a student with the same values as many others, so that equal students span the ends of pages."""
    marks = {subject: choice.choice([0, 40, 72.5]) for subject in ("math", "art") if choice.random() < 0.7}
    return {"roll_no": roll_no, "name": choice.choice("ABCDE"), "branch": choice.choice("XYZ"), "marks": marks}
