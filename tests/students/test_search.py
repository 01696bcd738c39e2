"""Searches by names in many languages and scripts, the index that finds them, and the migration of stored terms."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest
from beanie import init_beanie
from fastapi.testclient import TestClient
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import MongoClient
from pymongo.database import Database

from core.database import bulk_update
from core.settings import Settings
from modules.students.migrations import _derived, m0003_search_terms
from modules.students.records import integrity
from modules.students.search_terms import INNER_LENGTH, MAX_INNER_TERMS, prefixes_of, terms_of
from tests.students.listing import roll_numbers, store

Stored = Database[dict[str, Any]]

# Language or rule, name, searches that find it, and searches that do not.
CASES: list[tuple[str, str, list[str], list[str]]] = [
    ("Chinese", "王小明", ["王小明", "王", "小明", "明", "小"], ["王明", "明小", "大明"]),
    ("Chinese and Latin without a blank", "张伟Zhang Wei", ["zhang", "伟zh", "张伟zhang", "zhang wei"], ["hang"]),
    ("Japanese and Latin without a blank", "アレックスSmith", ["smith", "アレックス", "スsmi"], ["mith"]),
    ("Chinese, with blanks", "欧阳 娜娜", ["欧阳", "娜", "阳 娜娜", "娜娜 欧阳", "欧阳娜娜"], ["欧娜"]),
    ("Chinese, a dot", "约翰·史密斯", ["史密", "约翰 史密斯", "约翰史密斯"], ["约史"]),
    ("Chinese, Bopomofo", "ㄨㄤˊㄒㄧㄠˇ", ["ㄨㄤˊ", "ㄒㄧㄠ"], ["ㄨㄤˋ", "ㄨㄒ"]),
    ("Japanese, kanji", "山田太郎", ["山田", "太郎", "田太"], ["山太"]),
    ("Japanese, a compatibility character that is a letter", "山﨑賢人", ["﨑", "﨑賢", "山﨑"], ["崎"]),
    ("Japanese, a blank", "山田  太郎", ["山田太郎", "山田太", "太郎 山田"], ["山太郎"]),
    ("Japanese, a double hyphen", "ジャン゠ポール", ["ジャンポール", "ポール"], ["ジャポール"]),
    ("Japanese, katakana", "ジョン・スミス", ["スミス", "ミス", "ｼﾞｮﾝ"], ["シヨン", "スズ"]),
    ("Japanese, a voicing mark is no accent", "がくと", ["がくと", "か\u3099くと", "くと"], ["かくと", "か"]),
    ("Japanese, without a voicing mark", "かくと", ["かくと", "かく"], ["がくと", "が"]),
    ("Korean", "김철수", ["철수", "김철", "수", "김철수"], ["김수", "철숙", "처"]),
    ("Korean, with a blank", "김 철수", ["김철수", "김철", "철수 김"], ["김수"]),
    ("Korean, decomposed", "\u1112\u1161\u11ab\u110c\u1175\u1112\u116e", ["한지후", "지후"], ["하지후"]),
    ("Hindi", "कमला देवी", ["कमला", "कम", "देवी कमला"], ["कम्ला", "मला"]),
    ("Hindi, a virama is no accent", "कम्ला देवी", ["कम्ला", "कम्"], ["कमला"]),
    ("Tamil", "க்ருஷ்ணன்", ["க்ருஷ்", "க்ரு"], ["கருஷ்ணன்"]),
    ("Telugu, a vowel of two parts", "\u0c15\u0c48\u0c32", ["\u0c15\u0c46\u0c56\u0c32"], ["\u0c15\u0c46\u0c32"]),
    ("Malayalam, a chillu of old", "രാജന\u0d4d\u200d", ["രാജ\u0d7b", "രാജന\u0d4d\u200d"], ["രാജന\u0d4d"]),
    ("Malayalam, a chillu", "അരു\u0d7a", ["അരുണ\u0d4d\u200d", "അരു\u0d7a"], ["അരുണ\u0d4d"]),
    ("Bengali, khanda ta", "উৎপল", ["উত\u09cd\u200dপল", "উৎপল"], ["উত\u09cdপল"]),
    ("Bengali, khanda ta of old", "উত\u09cd\u200dপল", ["উৎপল"], ["উতপল"]),
    ("Thai, a vowel below", "สุดา", ["สุดา", "สุ"], ["สดา"]),
    ("Thai, a tone", "ม้า", ["ม้า"], ["มา", "ม่า"]),
    ("Thai, without a tone", "มา", ["มา"], ["ม้า"]),
    ("Thai, a tone in either place", "น\u0e49\u0e33ฝน", ["น\u0e49\u0e33", "น\u0e4d\u0e49\u0e32"], ["น\u0e33"]),
    ("Lao, a tone", "ບ້ານ", ["ບ້ານ"], ["ບານ"]),
    ("Burmese, a dot below", "ခင်", ["ခင်"], ["ခင့်"]),
    ("Burmese, with a dot below", "ခင့်", ["ခင့်"], ["ခင်"]),
    ("Hindi, a nukta may be left out", "फ़िरोज़", ["फिरोज", "फ़िरोज़"], []),
    ("Ukrainian, a quotation mark", "Мар’яна", ["Марʼяна", "мар'яна", "маряна", "Мар’я"], ["Мария"]),
    ("Ukrainian, a letter", "Солов\u02bcяненко", ["Солов’яненко", "солов'ян", "соловяненко", "яненко"], []),
    ("Uzbek", "G\u02bbani O\u02bbktam", ["G'ani", "gani", "G‘ani", "o`ktam", "oktam"], ["kani"]),
    ("Uzbek, nothing", "Gani Saidov", ["G'ani", "Gʻani", "gani"], ["sʻadov"]),
    ("Hawaiian", "\u02bbIolani", ["iolani", "ʻiolani", "'iolani"], ["olani"]),
    ("Ukrainian, an upturn", "Ґалаґан", ["галаган", "Ґалаган"], ["калакан"]),
    ("Hausa", "Ɗanladi Ƙaura Ɓello", ["danladi", "kaura", "bello"], ["tanladi"]),
    ("Fula", "Ƴero", ["yero"], []),
    ("Sami", "Áŋŋel Ŧoma", ["annel", "toma"], []),
    ("Nahuatl, a saltillo", "Pe\ua78ca", ["pea", "pe'a", "PE\ua78bA"], ["pa"]),
    ("a stress mark as an apostrophe", "O\u02c8brien", ["obrien", "O'Brien"], ["orien"]),
    ("Arabic in Latin letters", "al-ʿAbbās", ["alabbas", "al-abbas", "abbas"], ["alabas"]),
    ("two apostrophes", "O''Brien", ["obrien", "o'brien", "brien"], ["orien"]),
    ("Catalan", "Gal·la Marcel\u0140í", ["galla", "marcelli", "Gal-la", "Marcel·lí"], ["gala"]),
    ("Hebrew", "ז׳קלין", ["זקלין", "ז'קלין", "ז׳ק"], ["קז"]),
    ("Hebrew, gershayim", "רמב״ם", ["רמבם", 'רמב"ם', "רמב”ם", "רמב''ם"], ["רמם"]),
    ("Hebrew, a quotation mark", 'רמב"ם', ["רמבם", "רמב״ם"], ["רמם"]),
    ("a quotation mark elsewhere", 'Bo"Jo"É', ["jo", "bo"], ["bojo"]),
    ("Irish", "Máire O'Brien", ["obrien", "o'brien", "O’BRIEN", "brien", "o brien", "obr"], ["o'rien", "bobrien"]),
    ("Irish, written together", "Sean OBrien", ["obrien", "o'brien", "O-Brien"], ["brien"]),
    ("French", "Anne-Marie L\u2019Écuyer", ["annemarie", "anne-marie", "marie", "lecuyer", "l'éc"], ["nemarie"]),
    ("French, two words", "Marie Anne Dupont", ["anne-marie", "anne marie"], ["annemarie", "mariea"]),
    ("French, a dash", "Anne–Marie Petit", ["annemarie", "anne-marie", "marie"], ["nemarie"]),
    ("French, a dash in the search", "Annemarie Dupuis", ["anne–marie", "anne\u2212marie", "anne\u2012m"], []),
    ("rare hyphens", "Annemarie Noël", [f"anne{hyphen}marie" for hyphen in "\u02d7\u1806\u2043\u2e17"], []),
    ("a long dash separates words", "Ann\u2014Mia", ["ann", "mia"], ["annmia"]),
    ("French, together", "Annemarie Petit", ["anne-marie", "annemarie", "anne‑m"], ["anne-l"]),
    ("Spanish", "José Núñez-Peña", ["jose", "nunez", "nuñez-peña", "pena", "nunezpena"], ["nunezr"]),
    ("German", "Groß-Müller", ["gross", "GROẞ", "muller", "grossm"], ["mueller"]),
    ("Polish", "Łukasz Żółć", ["lukasz", "zolc", "łuk"], ["ukasz"]),
    ("Turkish", "İpek Işık", ["ipek", "isik", "ışık", "IPEK"], ["sik"]),
    ("Vietnamese", "Nguyễn Thị Hạnh", ["nguyen", "hanh", "thị hạnh"], ["hành x"]),
    ("Arabic", "فاطمة علي", ["فاطمه", "فاطمة", "علی", "علي", "على", "فاطـــمة"], ["فطمة"]),
    ("Persian", "فاطمه علی", ["فاطمة", "علي", "فاطمه"], ["اطمه"]),
    ("Arabic, hamza and marks", "أَحْمَد إبراهيم", ["احمد", "أحمد", "ابراهيم", "إبراهیم"], ["حمد"]),
    ("Arabic, tatweel", "محمـــد", ["محمد", "محـمد"], ["حمد"]),
    ("Persian, kaf", "کامران", ["كامران", "کامر"], ["قامران"]),
    ("Persian, a joiner", "علی\u200cرضا", ["علیرضا", "علي‌رضا"], ["رضا"]),
    ("a variation of a Chinese character", "葛\U000e0100城", ["葛城", "城"], ["草城"]),
    ("Arabic digits", "الصف ١٢", ["12", "١٢", "۱۲", "الصف 12"], ["2", "١٣"]),
    ("ASCII digits", "Group 7777", ["٧٧٧٧", "۷۷۷۷", "७७७७", "\uff17\uff17\uff17\uff17"], ["٧٧٧٨"]),
    ("dashes between digits", "Class 2031–45", ["2031–45", "2031 45", "45"], ["203145"]),
    ("hyphens between digits", "Class 2024-12", ["2024-12", "2024 12", "12"], ["202412"]),
]


@pytest.fixture
def school(client: TestClient) -> TestClient:
    """Store a student for each case, numbered in their order. Return a teacher's client."""
    students = (
        {"roll_no": f"R{number:03}", "name": name, "branch": "b", "marks": {}}
        for number, (_, name, _, _) in enumerate(CASES)
    )
    store(client, students)
    return client


def test_names_are_found_in_many_languages(school: TestClient) -> None:
    wrong = [
        (case, name, search, is_found)
        for number, (case, name, *searches) in enumerate(CASES)
        for is_found, several in zip((True, False), searches, strict=True)
        for search in several
        if (f"R{number:03}" in roll_numbers(school.get("/students", params={"q": search}))) is not is_found
    ]

    assert wrong == []


def test_the_terms_of_a_name_are_bounded() -> None:
    """A name has up to 200 characters, and each may be a letter of Chinese, or a part of a word."""
    for letters, most in (("王" * 200, MAX_INNER_TERMS + 1), ("a-" * 100, 100), ("王-" * 100, 200), ("ﷺ" * 200, 5)):
        start = time.process_time()
        terms = terms_of(letters)
        assert time.process_time() - start < 0.5

        assert len(terms) <= most
        assert sum(map(len, terms)) <= 200 * 18 + MAX_INNER_TERMS * INNER_LENGTH
    assert sum(map(len, prefixes_of("a'b'c'd'e'f'g'h'i'j"))) <= 10 * 5


def test_a_part_of_a_long_name_is_found(client: TestClient) -> None:
    name = "".join(chr(0x4E00 + n) for n in range(60))
    store(client, [{"roll_no": "S1", "name": name, "branch": "b", "marks": {}}])

    for part in (name, name[5:], name[30:31], name[38:60], name[59:]):
        assert roll_numbers(client.get("/students", params={"q": part})) == ["S1"], part
    assert roll_numbers(client.get("/students", params={"q": name[5:10] + name[20:30]})) == []


@pytest.fixture
def stored(settings: Settings) -> Iterator[Stored]:
    assert settings.mongodb_url
    with MongoClient[dict[str, Any]](settings.mongodb_url.get_secret_value()) as client:
        yield client[settings.mongodb_database]


def run_migration(settings: Settings, migration: Any) -> None:
    """Run a migration of one step, as from a terminal."""
    assert settings.mongodb_url
    url = settings.mongodb_url.get_secret_value()

    async def run() -> None:
        (step,) = [one for one in vars(migration.Forward).values() if hasattr(one, "models")]
        client: Any = AsyncIOMotorClient(url)
        try:
            await init_beanie(database=client[settings.mongodb_database], document_models=step.models)
            await step.run(session=None)
        finally:
            client.close()

    asyncio.run(run())


def is_whole(client: TestClient) -> bool:
    async def check() -> list[str]:
        return [finding async for finding in integrity.data_check()]

    assert client.portal
    return not client.portal.call(check)


def test_the_migration_replaces_stored_words(
    school: TestClient, settings: Settings, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_derived, "_BATCH", 5)
    assert school.delete("/students/R003").status_code == 204
    before = list(stored.students.find().sort("_id"))
    old: dict[str, Any] = {"$set": {"keys.words": ["old"]}, "$unset": {"keys.terms": ""}}
    stored.students.update_many({"roll_no": {"$ne": "R001"}}, old)
    stored.students.create_index([("keys.words", 1), ("roll_no", 1)], name="by_word")
    assert not is_whole(school)
    assert roll_numbers(school.get("/students?q=小明")) == []

    # Half-way, the process is stopped; then another one does the rest.
    batches = iter([None, None])

    async def stop(*arguments: Any) -> Any:
        next(batches)
        return await bulk_update(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(_derived, "bulk_update", stop)
        with pytest.raises(RuntimeError):
            run_migration(settings, m0003_search_terms)
    assert stored.students.count_documents({"keys.terms": {"$exists": True}}) == 11
    run_migration(settings, m0003_search_terms)
    run_migration(settings, m0003_search_terms)

    assert list(stored.students.find().sort("_id")) == before
    assert "by_word" not in stored.students.index_information()
    assert is_whole(school)
    assert roll_numbers(school.get("/students?q=小明")) == ["R000"]
