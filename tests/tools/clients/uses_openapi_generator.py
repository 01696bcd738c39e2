"""The walk with the classes of openapi-generator's `python`."""

from collections.abc import Callable

from school_client import (
    ApiClient,
    ApiException,
    AuthApi,
    Configuration,
    ImportProblem,
    StudentCreate,
    StudentPatch,
    StudentsApi,
    TransfersApi,
)
from walk import URL, Outcome, walk


def outcome(request: Callable[[], Outcome]) -> Outcome:
    """Return what a request told, or the status of the error and its first code."""
    try:
        return request()
    except ApiException as error:
        code = error.data.errors[0].code if isinstance(error.data, ImportProblem) and error.data.errors else None
        return Outcome(error.status or 0, code)


class GeneratedClient:
    """The school as the generated classes show it."""

    def __init__(self) -> None:
        self.configuration = Configuration(host=URL)
        client = ApiClient(self.configuration)
        self.auth, self.students, self.transfers = AuthApi(client), StudentsApi(client), TransfersApi(client)

    def sign_in(self, username: str, password: str) -> None:
        self.configuration.access_token = self.auth.auth_login(username=username, password=password).access_token

    def create(self, roll_no: str, name: str, branch: str, marks: dict[str, float] | None) -> Outcome:
        student = StudentCreate(roll_no=roll_no, name=name, branch=branch, marks=marks)
        response = self.students.students_create_with_http_info(student)
        return Outcome(response.status_code, response.data.marks.get("math"))

    def page(
        self, branch: str, *, where: str | None = None, limit: int | None = None, cursor: str | None = None
    ) -> tuple[list[str], str]:
        response = self.students.students_list_with_http_info(
            branch=[branch], where=[where] if where else None, limit=limit, cursor=cursor
        )
        return [student.roll_no for student in response.data], (response.headers or {}).get("link", "")

    def etag(self, roll_no: str) -> str:
        response = self.students.students_get_with_http_info(roll_no)
        return (response.headers or {})["etag"]

    def set_name(self, roll_no: str, name: str, etag: str) -> Outcome:
        def request() -> Outcome:
            patch = StudentPatch(name=name)
            response = self.students.students_patch_with_http_info(roll_no, patch, if_match=etag)
            return Outcome(response.status_code, response.data.name)

        return outcome(request)

    def upload(self, content: bytes) -> Outcome:
        def request() -> Outcome:
            response = self.transfers.transfers_upload_with_http_info(file=("class.csv", content))
            return Outcome(response.status_code, response.data.created)

        return outcome(request)


walk(GeneratedClient())
