"""Tests of the pages of settings, which are generated from the classes that declare them."""

from pydantic_settings import BaseSettings  # noqa: TC002

from core.cli.openapi import COMMAND
from core.cli.settings import files
from core.settings import Settings
from tests.conftest import settings_of_modules

REMEDY = f"The page does not match the code. Run: .venv/bin/{COMMAND}"


def test_the_pages_match_the_code() -> None:
    for file, text in files().items():
        assert file.read_text(encoding="utf-8") == text, REMEDY


def test_every_setting_has_a_description() -> None:
    kinds: list[type[BaseSettings]] = [Settings, *settings_of_modules()]
    fields = [field for kind in kinds for field in kind.model_fields.values()]
    assert [field for field in fields if not field.description] == []
