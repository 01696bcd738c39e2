"""Random requests to every route, by every role: each gets a documented response, and the data stays consistent.

The operations are those of `/openapi.json`, so those of a new module are included. `FUZZ_REQUESTS` is the number of
requests, and `FUZZ_SEED` selects them.
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
from tests.faults.generated_requests import FORGED, NOBODY, GeneratedRequest, generated_request
from tests.faults.known_values import KnownValues
from tests.faults.response_checks import is_malformed, response_errors
from tests.faults.wire import Answer, NoAnswerError, Request, Wire
from tests.tools.school import ADMIN, FOR_TESTERS, PASSWORD, Accounts, data_faults, school

pytestmark = pytest.mark.process

REQUESTS = int(os.environ.get("FUZZ_REQUESTS", "2000"))
SEED = int(os.environ.get("FUZZ_SEED", "0"))

# The number of requests of one operation before those of the next one.
BATCH = 20

# The number of wrong responses that end the run.
MAX_WRONG = 20


@dataclass
class Fuzz:
    """A run: its callers, the values that it knows, and its results."""

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
        self.known = KnownValues(self.document["paths"], excluded=ADMIN)
        for name in ("password", "current_password"):
            self.known.remember(name, PASSWORD)
        self.tokens[FORGED] = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.AAAA"

    def run(self, requests: int) -> None:
        """Send this many requests or a few more: all operations have the same number of batches."""
        batches = ceil(requests / len(self.operations) / BATCH)
        for number, operation in enumerate(self.operations * batches):
            if len(self.wrong) < MAX_WRONG:
                self.send_batch(operation, seed=SEED * 1_000_000 + number)

    def send_batch(self, operation: Operation, *, seed: int) -> None:
        @hypothesis.seed(seed)
        @hypothesis.settings(
            max_examples=BATCH,
            database=None,
            deadline=None,
            phases=[Phase.generate],  # without shrinking: the service keeps the effects of earlier requests
            suppress_health_check=list(HealthCheck),
        )
        @given(generated_request(operation, self.known))
        def batch(one: GeneratedRequest) -> None:
            self.send(one)

        batch()

    def send(self, one: GeneratedRequest) -> None:
        request = self.signed(one)
        answer: Answer | None = None
        try:
            answer = self.wire.ask(request)
            wrong = list(response_errors(one, answer))
        except NoAnswerError as error:
            # The server may cut off a request that is not valid HTTP, and the response can be lost with it.
            wrong = [] if is_malformed(one) else [f"no response: {error}"]
            self.cut_off += is_malformed(one)
        if is_malformed(one):
            self.wire.close()
        if wrong:
            self.wrong.append(self.describe(one, request, answer, wrong))
        if answer:
            self.learn(one, answer)

    def learn(self, one: GeneratedRequest, answer: Answer) -> None:
        self.statuses[answer.status] += 1
        self.slowest = max(self.slowest, (answer.seconds, str(one.operation)))
        self.known.learn(answer)
        if answer.status < 300:
            self.succeeded.add(str(one.operation))
        if answer.status == 401 and one.caller != FORGED and not one.operation.public:
            # The account was signed out, changed or deleted, perhaps by its own request: use a new one.
            self.tokens.pop(one.caller, None)

    def signed(self, one: GeneratedRequest) -> Request:
        """Return the request with its caller's token."""
        if one.caller == NOBODY:
            return one.request
        if one.caller not in self.tokens:
            self.tokens[one.caller] = self.accounts.token(self.accounts.newcomer(one.caller))
        header = (b"Authorization", f"Bearer {self.tokens[one.caller]}".encode())
        return replace(one.request, headers=(*one.request.headers, header))

    def describe(self, one: GeneratedRequest, request: Request, answer: Answer | None, wrong: list[str]) -> str:
        """Return what is wrong, the response, and the bytes to send the request again."""
        received = f"{answer.status} {answer.headers} {answer.body[:2000]!r}" if answer else "nothing"
        sent = repr(request.raw(self.wire.host))
        return f"{one.operation} as {one.caller}: {'; '.join(wrong)}\nreceived: {received}\nsent: {sent}\n"


def test_random_requests_get_documented_responses_and_leave_the_data_consistent(tmp_path: Path) -> None:
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
    print(f"{fuzz.cut_off} more had no response, and needed none because they were not valid HTTP")
    print(f"the slowest took {fuzz.slowest[0]:.2f} s: {fuzz.slowest[1]}")
    print(f"never successful: {sorted({str(one) for one in fuzz.operations} - fuzz.succeeded)}")
    if fuzz.wrong:
        report = "\n".join([f"{len(fuzz.wrong)} responses are wrong (FUZZ_SEED={SEED})", *fuzz.wrong])
        pytest.fail(report, pytrace=False)
    assert ended is None
    assert errors == []
    assert stored_wrong == []
    assert fuzz.statuses.total() + fuzz.cut_off >= REQUESTS * 0.9
    assert len(fuzz.succeeded) >= len(fuzz.operations) * 0.7, "too many operations never succeeded"
