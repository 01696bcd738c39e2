"""The pages as a person meets them: in a headless Chromium that reaches nothing but the service."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.servers import PATIENCE, Server, serve

pytest.importorskip("playwright", reason="playwright is missing: pip install -r requirements-dev.txt")

from playwright.sync_api import Browser, Locator, Page, Request, Route, expect, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# The service runs on an address, so no name at all needs to be found.
OFFLINE = ["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]

pytestmark = [
    pytest.mark.needs("playwright"),
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is missing: apt-get install chromium"),
]

FAINT_TEXTS = Path(__file__).with_name("faint_texts.js").read_text(encoding="utf-8")

ALICE = {"username": "alice", "email": "alice@example.com", "password": "secure123"}
ASHA = {"roll_no": "S101", "name": "Asha Rao", "branch": "Physics", "marks": {"math": 91}}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running service that has one account and one student."""
    with serve(tmp_path_factory.mktemp("service")) as server, server.client() as client:
        assert client.post("/register", json=ALICE).status_code == 201
        token = client.post("/login", data=ALICE).json()["access_token"]
        answer = client.post("/students", json=ASHA, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 201
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OFFLINE)
        yield browser
        browser.close()


@contextmanager
def visit(
    browser: Browser, server: Server, path: str, document: Callable[[Route], None] | None = None, **context: object
) -> Iterator[Page]:
    """The page at this path; afterwards, that the browser has complained of nothing and asked no other host. `document`
    answers the request for the API's document."""
    page = browser.new_page(base_url=server.url, **context)  # type: ignore[arg-type]
    if document:
        page.route("**/openapi.json", document)
    page.set_default_timeout(PATIENCE * 1000)
    complaints: list[str] = []

    def watch(request: Request) -> None:
        if not request.url.startswith((f"{server.url}/", "data:", "blob:")):
            complaints.append(f"asks for {request.url}")

    def fail(request: Request) -> None:
        # A browser aborts what a page still loads when a link leads to another one.
        if request.failure != "net::ERR_ABORTED":
            complaints.append(f"cannot load {request.url}: {request.failure}")

    page.on("request", watch)
    page.on("requestfailed", fail)
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(path)
    yield page
    page.wait_for_load_state("networkidle")
    page.close()
    assert complaints == []


def test_docs_sign_in_and_send_requests(browser: Browser, server: Server) -> None:
    with visit(browser, server, "/docs") as page:
        send_a_request(page)


def test_docs_draw_a_chart(browser: Browser, server: Server) -> None:
    with visit(browser, server, "/docs", viewport={"width": 400, "height": 900}) as page:
        sign_in(page)
        answer = execute(page, "analytics-analytics-draw-statistics")
        chart = answer.get_by_role("img", name="The response, drawn")
        expect(chart).to_be_visible()
        assert chart.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
        expect(answer).to_contain_text("<svg")
        assert page.evaluate("document.documentElement.scrollWidth") <= 400


def sign_in(page: Page) -> None:
    page.get_by_role("button", name="Authorize").click()
    dialog = page.locator(".dialog-ux")
    expect(dialog.get_by_label("username:")).to_be_focused()
    expect(dialog.get_by_label("username:")).to_be_in_viewport()
    expect(dialog.get_by_label("client_id:")).to_be_hidden()
    dialog.get_by_label("username:").fill("alice")
    dialog.get_by_label("password:").fill("secure123")
    dialog.get_by_role("button", name="Apply given OAuth2 credentials").click()
    expect(dialog.get_by_role("button", name="Remove authorization")).to_be_visible()
    dialog.get_by_role("button", name="Close").first.click()


def execute(page: Page, operation_id: str) -> Locator:
    """Send the request of an operation, and return its answer, which must be a success."""
    operation = page.locator(f"#operations-{operation_id}")
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Execute").click()
    answer = operation.locator(".live-responses-table")
    expect(answer.locator(".response-col_status").last).to_contain_text("200")
    return answer


def send_a_request(page: Page) -> None:
    """Sign in, and read the list of students."""
    sign_in(page)
    expect(execute(page, "students-students-list")).to_contain_text("Asha Rao")


def test_pages_name_their_own_address_whatever_the_document_says(browser: Browser, server: Server) -> None:
    def rename(route: Route) -> None:
        document = route.fetch()
        assert server.url in document.text()
        route.fulfill(response=document, body=document.text().replace(server.url, "https://internal.example"))

    with visit(browser, server, "/docs", rename) as page:
        send_a_request(page)
        expect(page.locator("#operations-students-students-list")).to_contain_text(f"curl -s '{server.url}/students'")
    with visit(browser, server, "/redoc", rename) as page:
        expect(page.get_by_text(f"API='{server.url}'")).to_be_visible()


def test_redoc_shows_sample_calls(browser: Browser, server: Server) -> None:
    with visit(browser, server, "/redoc#tag/students/operation/students-create") as page:
        operation = page.locator('[id="tag/students/operation/students-create"]')
        for label, part in [("curl", "curl -s"), ("Python", "requests.post"), ("TypeScript", "await fetch")]:
            operation.get_by_role("tab", name=label).click()
            sample = operation.get_by_role("tabpanel", name=label)
            expect(sample).to_contain_text(part)
            expect(sample).to_contain_text(f"{server.url}/students")


def test_redoc_shows_and_searches_the_documentation(browser: Browser, server: Server) -> None:
    with visit(browser, server, "/redoc") as page:
        expect(page.get_by_role("heading", name="Student Management API")).to_be_visible()
        expect(page.get_by_role("heading", name="Create a student").first).to_be_visible()
        page.get_by_role("textbox", name="Search").fill("roll number")
        expect(page.get_by_role("search").get_by_role("menuitem").first).to_be_visible()


def test_from_the_welcome_every_page_is_reached(browser: Browser, server: Server) -> None:
    for link, heading in [("Swagger UI", "Student Management API"), ("Problems", "Problems")]:
        with visit(browser, server, "/") as page:
            expect(page.get_by_role("heading", name="Welcome")).to_be_visible()
            page.get_by_role("main").get_by_role("link", name=link).click()
            expect(page.get_by_role("heading", name=heading).first).to_be_visible()


def test_a_problem_leads_to_the_operations_that_have_it(browser: Browser, server: Server) -> None:
    with visit(browser, server, "/problems") as page:
        page.get_by_role("link", name="Roll number taken").click()
        expect(page.get_by_role("heading", name="What to do")).to_be_visible()
        page.get_by_role("link", name="POST /students", exact=True).click()
        expect(page.locator("#operations-students-students-create .opblock-body")).to_be_visible()


# The commands in the texts, such as the quickstart, that are wider than the page.
CUT_COMMANDS = """[...document.querySelectorAll("pre:has(> code)")]
    .filter((block) => block.scrollWidth > block.clientWidth).map((block) => block.textContent)"""

OPERATION = {"/docs": "#/students/students-create", "/redoc": "#tag/students/operation/students-create"}


@pytest.mark.parametrize("path", OPERATION)
def test_the_documentation_suits_a_phone_by_day_and_by_night(browser: Browser, server: Server, path: str) -> None:
    grounds = set()
    for scheme in ("light", "dark"):
        narrow: dict[str, Any] = {"viewport": {"width": 400, "height": 900}, "color_scheme": scheme}
        with visit(browser, server, path + OPERATION[path], **narrow) as page:
            expect(page.get_by_text("If a deleted student has this roll number").first).to_be_visible()
            assert page.evaluate("document.documentElement.scrollWidth") <= 400
            assert page.evaluate(CUT_COMMANDS) == []
            grounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
            if scheme == "dark":  # the colours by day are those of Swagger UI and ReDoc
                assert page.evaluate(FAINT_TEXTS, 3) == []
    assert len(grounds) == 2


@pytest.mark.parametrize("path", OPERATION)
def test_the_documentation_follows_a_change_of_the_colour_scheme(browser: Browser, server: Server, path: str) -> None:
    with visit(browser, server, path, color_scheme="light") as page:
        expect(page.get_by_role("heading", name="Quickstart").first).to_be_visible()
        page.emulate_media(color_scheme="dark")
        expect(page.get_by_role("heading", name="Quickstart").first).to_be_visible()
        page.wait_for_function(f"({FAINT_TEXTS})(3).length === 0")


@pytest.mark.parametrize("path", ["/", "/problems", "/problems/unauthenticated", "/problems/student-not-found"])
def test_a_page_suits_a_phone_by_day_and_by_night(browser: Browser, server: Server, path: str) -> None:
    grounds = set()
    for scheme in ("light", "dark"):
        with visit(browser, server, path, viewport={"width": 360, "height": 740}, color_scheme=scheme) as page:
            assert page.evaluate("document.documentElement.scrollWidth") <= 360
            grounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert len(grounds) == 2
