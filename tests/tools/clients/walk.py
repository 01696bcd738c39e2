"""The walk that each generated Python client takes through a served school. It prints what it meets as JSON."""

import json
import os
import re
from dataclasses import dataclass
from typing import Protocol

URL = os.environ["SCHOOL_URL"]


@dataclass(frozen=True)
class Outcome:
    """A status, and the mark in mathematics, the new name, the number of imported students, or the code of an error."""

    status: int
    told: object = None


class School(Protocol):
    """What the walk needs of a client."""

    def sign_in(self, username: str, password: str) -> None: ...

    def create(self, roll_no: str, name: str, branch: str, marks: dict[str, float] | None) -> Outcome: ...

    def page(
        self, branch: str, *, where: str | None = None, limit: int | None = None, cursor: str | None = None
    ) -> tuple[list[str], str]:
        """Return the roll numbers of a page, and its `Link`."""

    def etag(self, roll_no: str) -> str: ...

    def set_name(self, roll_no: str, name: str, etag: str) -> Outcome: ...

    def upload(self, content: bytes) -> Outcome: ...


def pages(school: School, branch: str) -> list[list[str]]:
    cursor: str | None = None
    found = []
    while True:
        roll_numbers, link = school.page(branch, limit=2, cursor=cursor)
        found.append(roll_numbers)
        following = re.search(r'cursor=([^&>]+)>; rel="next"', link)
        if not following:
            return found
        cursor = following[1]


def walk(school: School) -> None:
    branch = os.environ["SCHOOL_BRANCH"]
    file = f"roll_no,name,branch,math\n{branch}4,Zoë Łuk,{branch},%d\n"
    school.sign_in(os.environ["SCHOOL_USER"], os.environ["SCHOOL_PASSWORD"])
    created = [
        school.create(f"{branch}1", "Asha Rao", branch, {"math": 91.5, "physics": 78}),
        school.create(f"{branch}2", "Emmy Noether", branch, {"math": 60}),
        school.create(f"{branch}3", "Ada King", branch, None),
    ]
    filtered, _ = school.page(branch, where="marks.math>=60|name=Nobody")
    walked = pages(school, branch)
    etag = school.etag(f"{branch}1")
    outcomes = {
        "patched": school.set_name(f"{branch}1", "Asha Iyer", etag),
        "outdated": school.set_name(f"{branch}1", "Asha Roy", etag),
        "uploaded": school.upload((file % 70).encode()),
        "refused": school.upload((file % 950).encode()),
    }
    met = {"created": created, "filtered": filtered, "walked": walked, **outcomes}
    print(json.dumps(met, default=vars))
