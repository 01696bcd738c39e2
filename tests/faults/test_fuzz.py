"""Whatever is sent to any route, by whomever: a documented answer comes, and what is stored stays whole.

All operations of `/openapi.json` have their turns, so that a new module has. `FUZZ_REQUESTS` is how many requests are
sent, and `FUZZ_SEED` which ones.
"""

import os
from collections import Counter
from dataclasses import dataclass, field, replace
from math import ceil
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, given

from tests.contract.operations import Operation
from tests.faults.inventing import FORGED, NOBODY, Invented, invented
from tests.faults.judging import faults, is_malformed
from tests.faults.known import Known
from tests.faults.wire import Answer, NoAnswerError, Request, Wire
from tests.tools.school import ADMIN, FOR_TESTERS, PASSWORD, Accounts, data_faults, school

pytestmark = pytest.mark.process

REQUESTS = int(os.environ.get("FUZZ_REQUESTS", "3000"))
SEED = int(os.environ.get("FUZZ_SEED", "0"))

# So many requests of an operation are sent before the next one's turn comes.
TURN = 20

# A run where everything goes wrong need not come to its end.
ENOUGH = 20


@dataclass
class Fuzz:
    """A run: who its callers are, what it knows of the service, and what came of it."""

    document: dict[str, Any]
    wire: Wire
    accounts: Accounts
    tokens: dict[str, str] = field(default_factory=dict)
    statuses: Counter[int] = field(default_factory=Counter)
    succeeded: set[str] = field(default_factory=set)
    cut_off: int = 0
    wrong: list[str] = field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "")

    def __post_init__(self) -> None:
        self.operations = [
            Operation("", method.upper(), path, not spec.get("security"), self.document)
            for path, methods in self.document["paths"].items()
            for method, spec in methods.items()
        ]
        self.known = Known(self.document["paths"], spared=ADMIN)
        for name in ("password", "current_password"):
            self.known.remember(name, PASSWORD)
        self.tokens[FORGED] = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.AAAA"

    def run(self, requests: int) -> None:
        """Send so many requests, or some more, as all operations have as many turns."""
        turns = ceil(requests / len(self.operations) / TURN)
        for number, operation in enumerate(self.operations * turns):
            if len(self.wrong) < ENOUGH:
                self.take_turn(operation, seed=SEED * 1_000_000 + number)

    def take_turn(self, operation: Operation, *, seed: int) -> None:
        @hypothesis.seed(seed)
        @hypothesis.settings(
            max_examples=TURN,
            database=None,
            deadline=None,
            phases=[Phase.generate],  # nothing can be made smaller where the service remembers what came before
            suppress_health_check=list(HealthCheck),
        )
        @given(invented(operation, self.known))
        def turn(one: Invented) -> None:
            self.send(one)

        turn()

    def send(self, one: Invented) -> None:
        request = self.signed(one)
        answer: Answer | None = None
        try:
            answer = self.wire.ask(request)
            wrong = list(faults(one, answer))
        except NoAnswerError as error:
            # Of what is no HTTP, the rest may be cut off, and the answer lost with it.
            wrong = [] if is_malformed(one) else [f"no answer: {error}"]
            self.cut_off += is_malformed(one)
        if is_malformed(one):
            self.wire.close()
        if wrong:
            self.wrong.append(self.told(one, request, answer, wrong))
        if answer:
            self.learn(one, answer)

    def learn(self, one: Invented, answer: Answer) -> None:
        self.statuses[answer.status] += 1
        self.slowest = max(self.slowest, (answer.seconds, str(one.operation)))
        self.known.learn(answer)
        if answer.status < 300:
            self.succeeded.add(str(one.operation))
        if answer.status == 401 and one.caller != FORGED and not one.operation.public:
            # The account was signed out, changed or deleted, perhaps by its own request: a new one takes its place.
            self.tokens.pop(one.caller, None)

    def signed(self, one: Invented) -> Request:
        """The request with its caller's token."""
        if one.caller == NOBODY:
            return one.request
        if one.caller not in self.tokens:
            self.tokens[one.caller] = self.accounts.token(self.accounts.newcomer(one.caller))
        header = (b"Authorization", f"Bearer {self.tokens[one.caller]}".encode())
        return replace(one.request, headers=(*one.request.headers, header))

    def told(self, one: Invented, request: Request, answer: Answer | None, wrong: list[str]) -> str:
        """All that is needed to send the request again."""
        came = f"{answer.status} {answer.headers} {answer.body[:2000]!r}" if answer else "nothing"
        sent = repr(request.raw(self.wire.host))
        return f"{one.operation} as {one.caller}: {'; '.join(wrong)}\ncame: {came}\nsent: {sent}\n"


def test_whatever_is_sent_is_answered_and_leaves_the_data_whole(tmp_path: Path) -> None:
    with school(tmp_path, **FOR_TESTERS) as server:
        accounts = Accounts(server.url)
        fuzz = Fuzz(accounts.ask("GET", "/openapi.json"), Wire(server.url), accounts)
        fuzz.run(REQUESTS)
        ended = server.process.poll()
        stored_wrong = data_faults(tmp_path, **FOR_TESTERS)
        errors = [line for line in server.log_lines() if line.get("level") in ("ERROR", "CRITICAL")]
        fuzz.wire.close()
        accounts.close()

    print(f"{fuzz.statuses.total()} requests of {len(fuzz.operations)} operations: {sorted(fuzz.statuses.items())}")
    print(f"{fuzz.cut_off} more had no answer, and needed none as they were no HTTP")
    print(f"the slowest took {fuzz.slowest[0]:.2f} s: {fuzz.slowest[1]}")
    print(f"never a success: {sorted({str(one) for one in fuzz.operations} - fuzz.succeeded)}")
    if fuzz.wrong:
        told = "\n".join([f"{len(fuzz.wrong)} answers are wrong (FUZZ_SEED={SEED})", *fuzz.wrong])
        pytest.fail(told, pytrace=False)
    assert ended is None
    assert errors == []
    assert stored_wrong == []
    assert fuzz.statuses.total() + fuzz.cut_off >= REQUESTS * 0.9
    assert len(fuzz.succeeded) >= len(fuzz.operations) * 0.7, "requests that never get anywhere find nothing"
