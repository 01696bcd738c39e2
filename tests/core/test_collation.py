"""The order of texts in several languages: each row is in the order that CLDR gives it, as ICU 77 confirmed."""

import random

import pytest
from pydantic import ValidationError

from core.collation import LANGUAGES, collation_key, collation_version
from core.settings import Settings

ROWS: list[tuple[str, str]] = [
    ("root", "Adam | del Martos | Émile | zoe | Zoe | Zoë | Zoltán"),
    ("root", "asha | Asha | Ásha | Asha Rao | ashá-b | Ashab | O'Neil | Oakes | ON"),
    ("root", "a a | aa | Ab | Åb | Ac | Łuk | luz | Ołek | Strasse | Straße | Strasses | þór"),
    (
        "root",
        "10 | 2 | a | z | Ω | Ґалаґан | ё | жук | Яна | אבי | علی | अमित | कमला | สุดา | 김철수 | かく | がく | 丁 | 王",
    ),
    ("root", "Гай | Ґай | Дай | Еней | Єва | Ива | Іван | Їжак | Йов"),
    ("sv", "Zoe | Ångström | Åsa | Ärla | Ærla | Öberg | Ølund"),
    ("fi", "Zoe | Åsa | Äiti | Öljy"),
    ("da", "Zoe | Ærø | Øst | Åbo | Aabye | Aagaard"),
    ("nb", "Yde | Ydl | Zoe | Ærlig | Østby | Aas | Åse"),
    ("es", "nube | nuzo | ñandú | Ñuble | oca"),
    ("pl", "Adam | Az | Ąb | Cz | Ćma | Luz | Łuk | Ma | Zz | Źle | Żak"),
    ("cs", "Cz | Čas | Hz | Chata | Ida | Rz | Řím | Sz | Šíp | Zz | Žal"),
    ("sk", "Az | Äa | Hz | Chata | Oz | Ôa"),
    ("hr", "Cz | Čar | Ćar | Dz | Džep | Đak | Lz | Ljub | Nz | Njega"),
    ("sl", "Cz | Čar | Nj | Nz | Šim"),
    ("hu", "Cz | Csaba | Dz | Gz | Gyula | Oz | Ödön | Pál | Uz | Ügy | Zz | Zsa"),
    ("tr", "Cz | Çan | Gz | Ğan | Hz | Irmak | İpek | Oz | Öz | Şen | Uz | Ümit"),
    ("ro", "Az | Ăla | Âla | Iz | Îna | Sz | Șah | Tz | Țâr"),
    ("et", "Sz | Šura | Zoja | Žanna | Tiit | Wz | Õie | Äli | Öö | Üllo"),
    ("is", "Az | Áa | Dz | Ða | Zz | Þór | Æsa | Ösp"),
]


@pytest.mark.parametrize(("language", "row"), ROWS)
def test_keys_sort_as_the_language_does(language: str, row: str) -> None:
    texts = row.split(" | ")
    shuffled = random.Random(1).sample(texts, len(texts))

    assert sorted(shuffled, key=lambda text: collation_key(text, language)) == texts
    assert len({collation_key(text, language) for text in texts}) == len(texts)


def test_keys_can_be_stored() -> None:
    """No key has a surrogate or a NUL, and the keys of the longest names are of bounded length."""
    for text in ("", "\ud7a3\uffff\U0010ffff", "\U0001f600" * 200, "ﷺ" * 200, "王" * 200, "e\u0301" * 200, "Z" * 200):
        key = collation_key(text, "root")

        assert len(key.encode()) <= 30_000
        assert "\0" not in key
    assert collation_key("zoe\u0308", "root") == collation_key("zoë", "root")


def test_the_version_tells_languages_apart() -> None:
    assert len({collation_version(language) for language in LANGUAGES}) == len(LANGUAGES)


def test_an_unknown_language_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCALE", "xx")
    with pytest.raises(ValidationError, match="it must be one of root, bs, cs"):
        Settings()
