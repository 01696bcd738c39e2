"""The words that stand for fields, as they are written in headers of many countries."""

import pytest

from modules.transfers.columns.column_names import field_of, fields_of

WORDS = {
    "roll_no": [
        *("roll_no", "Roll No", "ROLL_NO", "Roll No.", "roll-number", "RollNo", "Roll #", " 'Roll  No' ", '"Roll.No:"'),
        *("Student ID", "STUDENT_ID", "Student#", "Enrolment Number", "Regd. No.", "Admission No", "Hall Ticket No."),
        *("Matrikelnummer", "Matrikel-Nr.", "Matr.-Nr.", "Schülernummer", "SCHUELER-ID"),
        *("Matricule", "N° étudiant", "Numéro d\u2019étudiant", "Code Apogée", "NUMERO D'ETUDIANT"),
        *("Matrícula", "Nro. de legajo", "Código del alumno", "N.º de expediente", "No. de control"),
        *("Nº de aluno", "Número de matrícula", "Registro acadêmico"),
        *("अनुक्रमांक", "रोल नंबर", "रोल नं.", "नामांकन संख्या", "Anukramank", "panjikaran sankhya"),
    ],
    "name": [
        *("name", "Name", "FULL_NAME", "Student's Name", "Name of the Student", "Last name, First name", "Student"),
        *("Vor- und Nachname", "Name, Vorname", "Schülername", "Nom", "Nom et prénom(s)", "Nombre completo"),
        *("Apellidos y nombres", "Nome do aluno", "नाम", "छात्र का नाम", "pura naam"),
    ],
    "first_name": ["First name", "Given Names", "Vorname", "Prénom", "Primeiro nome", "पहला नाम"],
    "last_name": ["Surname", "LAST_NAME", "Nachname", "Nom de famille", "Apellidos", "Sobrenome", "उपनाम"],
    "branch": [
        *("branch", "Branch", "Department", "Dept.", "Programme", "Stream", "Fachrichtung", "Filière", "Carrera"),
        *("Departamento", "शाखा", "विभाग", "Sankay"),
    ],
}


@pytest.mark.parametrize(("field", "word"), [(field, word) for field, words in WORDS.items() for word in words])
def test_a_word_is_recognised_however_it_is_written(field: str, word: str) -> None:
    assert field_of(word) == field


@pytest.mark.parametrize(
    "word",
    [
        *(
            "",
            "ID",
            "ID number",
            "No",
            "No.",
            "Number",
            "#",
            "S.No",
            "SNo",
            "Sr. No.",
            "Sl No",
            "Serial",
            "Index",
            "क्रमांक",
        ),
        *("Class", "Section", "Seat No", "Father's Name", "F. Name", "Subject Name", "User name", "Email"),
        *("Number of students", "Número de estudiantes", "Branch code", "marks.name", "math", "Note", "x" * 100_000),
    ],
)
def test_a_word_of_several_meanings_is_left_alone(word: str) -> None:
    assert field_of(word) is None


@pytest.mark.parametrize(
    ("names", "fields"),
    [
        (["Nom", "Prénom"], ["last_name", "first_name"]),
        (["Nombre", "Apellidos"], ["first_name", "last_name"]),
        (["name", "surname"], ["first_name", "last_name"]),
        (["Full name", "Surname"], ["name", "last_name"]),
        (["Name", "First name", "Last name"], ["name", "first_name", "last_name"]),
        (["Nom", "Math"], ["name", None]),
    ],
)
def test_a_name_beside_one_part_of_it_is_the_other_part(names: list[str], fields: list[str | None]) -> None:
    assert fields_of(names) == fields
