# with settings
"""Tests of the settings of lost items."""

import pytest

from core.errors import StartupError
from core.registry import configure
from modules.lost_items.settings import LostItemSettings


def test_the_limit_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOST_ITEMS_MOST", "3")
    settings, _ = configure()
    assert settings.part(LostItemSettings).most == 3


def test_a_wrong_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOST_ITEMS_MOST", "0")
    with pytest.raises(StartupError, match="LOST_ITEMS_MOST"):
        configure()
