"""Exports that are opened and saved by a spreadsheet program, and imported again."""

import shutil
import subprocess
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from tests.transfers.helpers import JSON, send, students

OFFICE = shutil.which("soffice")
pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(OFFICE is None, reason="LibreOffice is not installed (Debian's libreoffice-calc)"),
]

# As the office reads and writes CSV: separated by commas, quoted, UTF-8.
FILTER = "44,34,76"
TYPES = {
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "ods": "application/vnd.oasis.opendocument.spreadsheet",
}
# 007 becomes 7, the number of another student.
FINDINGS = {"identity_similar", "identity_other", "identity_date", "duplicate", "code_shortened"}
SCHOOL = {
    "0142": ("Asha Rao", {"math": 91, "art": 78.5}),
    "007": ("=1+1", {"math": 0}),
    "7": ("Zoë Łuk", {}),
    "CS-101": ("Bo, Li", {"art": 100}),
    "12E3": ("O'Neil", {"math": 5.25}),
    "3-4": ("-5", {"math": 64}),
    "1.50": ("Ana  Lim", {"math": 7}),
    "TRUE": ("अनु", {"art": 64}),
}


def converted(folder: Path, content: bytes, suffix: str, target: str) -> bytes:
    """Open a file with LibreOffice, save it in another format, and return what was saved."""
    source = folder / f"students.{suffix}"
    source.write_bytes(content)
    out = folder / "saved"
    profile = f"-env:UserInstallation=file://{folder}/profile"
    options = [f"--infilter=CSV:{FILTER}"] if suffix == "csv" else []
    kind = f"csv:Text - txt - csv (StarCalc):{FILTER}" if target == "csv" else target
    command = [str(OFFICE), profile, "--headless", *options, "--convert-to", kind, "--outdir", str(out), str(source)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return (out / f"students.{target}").read_bytes()


@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
@pytest.mark.parametrize("target", ["csv", "xlsx", "ods"])
def test_a_file_that_a_spreadsheet_has_saved_makes_no_second_student(
    teacher: TestClient, tmp_path: Path, suffix: str, target: str
) -> None:
    for roll_no, (name, marks) in SCHOOL.items():
        body = {"roll_no": roll_no, "name": name, "branch": "Physics", "marks": marks}
        assert teacher.post("/students", json=body).status_code == 201
    before = students(teacher)
    export = teacher.get(f"/exports/students?format={suffix}").content

    saved = converted(tmp_path, export, suffix, target)
    report: JSON = send(teacher, saved, TYPES[target], on_error="skip").json()

    assert report["rows"] == len(SCHOOL), report
    plan = teacher.get(f"/imports/{report['id']}/plan").json()
    assert [one for one in plan if one["outcome"] != "unchanged"] == []
    assert report["unchanged"] + report["failed"] == len(SCHOOL)
    assert {error["code"] for error in report["errors"]} <= FINDINGS
    assert students(teacher) == before
    if suffix == "xlsx" and target != "csv":
        assert report["unchanged"] == len(SCHOOL), "ids are text cells, and stay what they are"
