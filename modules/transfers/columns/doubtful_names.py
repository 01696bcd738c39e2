"""Names of columns, in six languages, that say that a column holds no marks, or marks with another maximum."""

import re
from collections.abc import Mapping
from decimal import Decimal

from core.api import normalized

# The end of a name that may give the highest mark.
_MAX_END = 40

_WORDS: Mapping[str, str] = {
    "serial": """# serial sno slno srno sino nr lfdnr lfd numero n nº orden ordre ordem id
        क्रमांक क्रम क्रसं क्रमसंख्या kramank""",
    "total": """total totals sum grandtotal aggregate summe gesamt gesamtpunkte gesamtpunktzahl somme suma soma
        current unposted कुल योग""",
    "average": """average avg mean gpa cgpa sgpa cpi spi durchschnitt schnitt mittelwert moyenne promedio media média
        औसत""",
    "rank": """rank ranking position place rang platz platzierung classement puesto posicion posición posição
        classificação रैंक स्थान""",
    "percentage": """percentage percent pct percentile prozent prozentsatz pourcentage porcentaje porcentagem
        percentagem प्रतिशत""",
    "maximum": """max maximum outof fullmarks possible held maxpoints höchstpunktzahl höchstzahl barème maximo máximo
        अधिकतम पूर्णांक""",
    "age": """age alter âge edad idade birthyear yearofbirth geburtsjahr dob आयु उम्र""",
    "attribute": """semester sem term year batch session trimester quarter jahr halbjahr schuljahr jahrgang année
        semestre trimestre año curso ano phone mobile contact telefon pin pincode zip वर्ष सत्र
        attendance attended absence absences present fehltage fehlstunden anwesenheit asistencia faltas frequência
        उपस्थिति credit credits remark remarks comment comments result status bemerkung bemerkungen ergebnis
        remarque remarques observation observations observaciones observações résultat resultado टिप्पणी परिणाम""",
}
_FILLERS = """mark marks point points score scores of the in out no number num overall class course final grand obtained
    secured all subject subjects punkte note notes notas pontos puntos अंक प्राप्तांक"""
# These say something only beside the columns that they are computed from.
OF_OTHERS = {"total", "average", "percentage"}


def _tokens(name: str) -> list[str]:
    plain = normalized("NFKC", name).casefold().replace("%", " percent ").replace("#", " # ")
    return [token for token in re.split(r"[^\w#\u0900-\u097f]+|_", plain) if token]


_FILLER_WORDS = frozenset(_FILLERS.split())
_KIND_OF = {"".join(_tokens(word)): kind for kind, words in _WORDS.items() for word in words.split()}


def kind_of(name: str) -> str | None:
    """Return the code of the doubt that a column's name alone raises, or None.

    Of several, as in `Total rank`, it is one that does not depend on other columns, if there is one.
    """
    tokens = _tokens(name)
    if kind := _KIND_OF.get("".join(tokens)):
        return kind
    telling = [token for token in tokens if token not in _FILLER_WORDS and not token.isdecimal()]
    kinds = [_KIND_OF.get(token) for token in telling]
    return None if None in kinds else min(kinds, key=lambda kind: kind in OF_OTHERS, default=None)


# "Math (50)", "Physics /20", "a1 [10.0]", "Essay out of 20", "Quiz (max. 5 points)"
_HIGHEST = re.compile(
    r"(?:[(\[]\s*(?:max\.?|maximum|out of|of|von|sur|de|/)?\s*|/\s*|\bout of\s+)(\d{1,3}(?:[.,]\d{1,2})?)"
    r"\s*(?:marks?|points?|pts|p|punkte)?\.?\s*[)\]]?",
    re.IGNORECASE,
)


def highest_in(name: str) -> Decimal | None:
    """Return the highest mark that the end of a column's name gives, as in `Math (50)`, or None."""
    found = [match for match in _HIGHEST.finditer(name[-_MAX_END:]) if match.end() == len(name[-_MAX_END:])]
    return Decimal(found[0][1].replace(",", ".")) if found else None
