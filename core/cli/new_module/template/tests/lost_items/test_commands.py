# with command
"""Tests of the terminal commands of lost items."""

import argparse
from typing import Any

from fastapi.testclient import TestClient
from pymongo import MongoClient

from core.settings import Settings
from modules.lost_items.commands import commands


def test_records_are_counted(client: TestClient, settings: Settings, mongodb: MongoClient[dict[str, Any]]) -> None:
    mongodb[settings.mongodb_database]["lost_items"].insert_one({"code": "A1"})
    (count,) = commands
    assert client.portal
    assert client.portal.call(count.run, argparse.Namespace()) == "Lost items: 1"
