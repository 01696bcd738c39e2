"""The names of columns: the words that stand for a field, in English, German, French, Spanish, Portuguese and Hindi."""

import re
from collections.abc import Sequence

from core.api import normalized
from modules.transfers.files.formula_escaping import content_of

FIELDS = ("roll_no", "name", "branch")
# The column that `errors.csv` adds; imports ignore it.
REASON = "import_error"
# The columns of an export that imports do not read.
READ_ONLY = ("created_at", "updated_at")

# Longer names are no words of the table.
_MAX_NAME = 100

# Words are compared by their letters and digits alone: without case, blanks, punctuation and accents. Words that have
# several meanings in lists of students are left out: ID, Number, No, Serial, Index, Seat, Class, Section, Course.
_WORDS = {
    "roll_no": """
        roll, universal student number, university seat number, USN, PRN, SIS user id, HT no, student code
        Matrikel
        matricule, code apogée, code permanent, INE
        matrícula, expediente, legajo, registro académico, número mecanográfico, n.º mec
        registro acadêmico
        अनुक्रमांक, anukramank
    """,
    "name": """
        name, full name, complete name, student, student name, name of student, name of the student, students name,
        student full name, pupil, pupil name, name of pupil, learner name, candidate name, name of candidate,
        name of the candidate, first name and last name, first and last name, last name first name, first name last name
        vollständiger Name, voller Name, ganzer Name, Schüler, Schueler, Schülername, Schuelername, Name des Schülers,
        Name der Schülerin, Studentenname, Name des Studierenden, Name Vorname, Vorname Name, Nachname Vorname,
        Vorname Nachname, Vor- und Nachname, Vorname und Nachname, Name und Vorname
        nom, nom complet, étudiant, élève, nom de l'étudiant, nom de l'élève, nom et prénom, nom et prénoms,
        noms et prénoms, prénom et nom, nom prénom, nom prénoms, prénom nom
        nombre, nombres, nombre completo, alumno, alumna, estudiante, nombre del alumno, nombre de la alumna,
        nombre del estudiante, nombre y apellido, nombre y apellidos, nombres y apellidos, apellido y nombre,
        apellidos y nombre, apellidos y nombres, apellidos nombre, apellidos nombres
        nome, nome completo, aluno, aluna, estudante, nome do aluno, nome da aluna, nome do estudante,
        nome e sobrenome, nome e apelido
        नाम, पूरा नाम, छात्र, छात्र का नाम, छात्रा का नाम, विद्यार्थी, विद्यार्थी का नाम, परीक्षार्थी का नाम,
        naam, poora naam, pura naam, chhatra ka naam, chatra ka naam, vidyarthi ka naam
    """,
    "first_name": """
        first name, given name, given names, forename, forenames, student first name
        Vorname, Vornamen, Rufname
        prénom, prénoms
        primer nombre, nombre de pila
        primeiro nome, nome próprio
        पहला नाम, प्रथम नाम, pahla naam, pratham naam
    """,
    "last_name": """
        last name, surname, family name, student last name
        Nachname, Familienname, Zuname
        nom de famille
        apellido, apellidos, primer apellido, segundo apellido, apellido paterno, apellido materno
        sobrenome, apelido, último nome
        उपनाम, कुलनाम, सरनेम, upnaam, upnam, kulnaam
    """,
    "branch": """
        branch, branch name, name of branch, department, department name, name of department, dept, dept name,
        stream, programme, program, programme name, program name, specialization, specialisation, major,
        branch of study
        Abteilung, Fachbereich, Fachrichtung, Studiengang, Studienrichtung
        filière, département, spécialité, branche
        departamento, carrera, especialidad, titulación
        especialidade
        शाखा, विभाग, संकाय, shakha, vibhag, sankay
    """,
}

# "Roll No", "student number", "Matrikel-Nr."
_NUMBERED = """
    roll, class roll, exam roll, board roll, university roll, student, pupil, learner, candidate, enrollment, enrolment,
    registration, reg, regd, regn, register, university registration, university register, admission, adm,
    matriculation, matric, hall ticket
    Matrikel, Matr, Immatrikulations, Schüler, Schueler, Studenten, Studierenden, Kandidaten
    रोल, नामांकन, पंजीकरण, पंजीयन, छात्र, विद्यार्थी, namankan, panjikaran, panjiyan, chhatra, vidyarthi
"""
_NUMBERS_AFTER = """
    no, nos, number, num, nr, nummer, id, नंबर, नम्बर, नं, न, संख्या, क्रमांक, nambar, sankhya, kramank
"""
# "N° d'étudiant", "número de matrícula", "código del alumno"
_NUMBERED_BEFORE = """
    étudiant, élève, inscription, matricule
    alumno, estudiante, matrícula, expediente, legajo, carné, carnet, inscripción, padrón, control
    aluno, estudante, inscrição
"""
_NUMBERS_BEFORE = "numéro, no, n, num, nro, nr, nbr, code, código, identifiant, identificador, id"
_ARTICLES = "de la, de l, de, del, du, d, do, da, l"

# These are a part of the name if the other part has a column of its own: Nom and Prénom, Nombre and Apellidos.
_PARTIAL = "name, nom, nombre, nombres, nome, नाम, naam"


def name_of(cell: str) -> str:
    """Return the column name in a cell of the header. A line break in it counts as a space."""
    return re.sub(r"[^\S\r\n]*[\r\n]\s*", " ", content_of(cell))


def field_of(header_cell: str) -> str | None:
    """Return `roll_no`, `name`, `first_name`, `last_name` or `branch`, or None for a name that stands for none."""
    if len(header_cell) > _MAX_NAME:
        return None
    key = _key(header_cell)
    return _FIELDS.get(key) or ("roll_no" if _IS_NUMBER.fullmatch(key) else None)


def fields_of(names: Sequence[str]) -> list[str | None]:
    """Return the field of each column. A name such as `Nom` beside `Prénom` alone is the other part of the name."""
    fields = [field_of(name) for name in names]
    parts = {"first_name", "last_name"}.difference(fields)
    if len(parts) == 1:
        (other,) = parts
        return [other if _key(name) in _PARTS else field for name, field in zip(names, fields, strict=True)]
    return fields


def _key(name: str) -> str:
    """Return the letters and digits of a name, without case and accents. `#` stands for "no"."""
    plain = normalized("NFKD", name.replace("#", " no ")).casefold()
    return re.sub(r"[^\w\u0900-\u0963\u0966-\u097f]|_", "", plain)


def _keys(words: str) -> list[str]:
    return [key for word in re.split(r"[,\n]", words) if (key := _key(word))]


def _any(words: str) -> str:
    return f"(?:{'|'.join(map(re.escape, _keys(words)))})"


_FIELDS = {key: field for field, words in _WORDS.items() for key in _keys(words)}
_PARTS = frozenset(_keys(_PARTIAL))
_IS_NUMBER = re.compile(
    f"{_any(_NUMBERED)}{_any(_NUMBERS_AFTER)}|{_any(_NUMBERS_BEFORE)}{_any(_ARTICLES)}?{_any(_NUMBERED_BEFORE)}"
)
