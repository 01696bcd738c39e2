"""The walk with the client of openapi-python-client."""

from io import BytesIO

from school_client import AuthenticatedClient, Client
from school_client.api.auth import auth_login
from school_client.api.students import students_create, students_get, students_list, students_patch
from school_client.api.transfers import transfers_upload
from school_client.models import (
    ImportProblem,
    ImportRead,
    SignIn,
    StudentCreate,
    StudentCreateMarks,
    StudentPatch,
    StudentRead,
    Token,
    TransfersUploadBody,
)
from school_client.types import UNSET, File
from walk import URL, Outcome, walk


class GeneratedClient:
    """The school as the generated functions show it."""

    def sign_in(self, username: str, password: str) -> None:
        token = auth_login.sync(client=Client(URL), body=SignIn(username=username, password=password))
        assert isinstance(token, Token)
        self.client = AuthenticatedClient(URL, token.access_token)

    def create(self, roll_no: str, name: str, branch: str, marks: dict[str, float] | None) -> Outcome:
        given = UNSET if marks is None else StudentCreateMarks.from_dict(marks)
        body = StudentCreate(roll_no=roll_no, name=name, branch=branch, marks=given)
        response = students_create.sync_detailed(client=self.client, body=body)
        assert isinstance(response.parsed, StudentRead)
        return Outcome(response.status_code, response.parsed.marks.additional_properties.get("math"))

    def page(
        self, branch: str, *, where: str | None = None, limit: int | None = None, cursor: str | None = None
    ) -> tuple[list[str], str]:
        response = students_list.sync_detailed(
            client=self.client,
            branch=[branch],
            where=[where] if where else UNSET,
            limit=limit or UNSET,
            cursor=cursor or UNSET,
        )
        assert isinstance(response.parsed, list)
        return [student.roll_no for student in response.parsed], response.headers.get("Link", "")

    def etag(self, roll_no: str) -> str:
        return students_get.sync_detailed(roll_no, client=self.client).headers["ETag"]

    def set_name(self, roll_no: str, name: str, etag: str) -> Outcome:
        body = StudentPatch(name=name)
        response = students_patch.sync_detailed(roll_no, client=self.client, body=body, if_match=etag)
        changed = response.parsed
        return Outcome(response.status_code, changed.name if isinstance(changed, StudentRead) else None)

    def upload(self, content: bytes) -> Outcome:
        body = TransfersUploadBody(file=File(BytesIO(content), "class.csv", "text/csv"))
        response = transfers_upload.sync_detailed(client=self.client, body=body)
        match response.parsed:
            case ImportRead(created=created):
                return Outcome(response.status_code, created)
            case ImportProblem(errors=[error, *_]):
                return Outcome(response.status_code, error.code)
        return Outcome(response.status_code)


walk(GeneratedClient())
