"""User names, e-mail addresses and passwords in any form in which keyboards and systems send them (RFC 8265)."""

from unicodedata import normalize

import pytest
from fastapi.testclient import TestClient

from core.security import hash_password, new_secret_key
from modules.auth import password_hashing
from modules.auth.models import User
from modules.auth.preparation import LoginName, prepared_password
from tests.auth.people import PASSWORD, Person, signed_in, stored

NAMES: list[tuple[str, str, str | None, str]] = [
    ("case", "ALICE", "username_key", "alice"),
    ("blanks at the ends", " \talice\u00a0\u3000\n", "username_key", "alice"),
    ("an invisible character is no blank", "alice\u200b", "username_key", "alice\u200b"),
    ("full-width characters (Japanese)", "\uff21lice\uff0e\uff11", "username_key", "alice.1"),
    ("full-width characters (Japanese)", "alice\uff20example.com", "email_key", "alice@example.com"),
    ("a singleton of NFC (kelvin sign)", "\u212aate", "username_key", "kate"),
    ("a ligature is no width variant", "\ufb01ona", "username_key", "\ufb01ona"),
    ("an address", " Alice@Example.COM ", "email_key", "alice@example.com"),
    ("an address in NFD (German)", "Zoe\u0308@example.com", "email_key", "zoë@example.com"),
    ("a domain in Punycode", "a@xn--mnchen-3ya.de", "email_key", "a@münchen.de"),
    ("not an address", "alice@", None, "alice@"),
    ("an address with a name", "Alice <alice@example.com>", None, "alice <alice@example.com>"),
    ("invalid Unicode", "\ud800@example.com", None, "\ud800@example.com"),
    ("a long text", "@" * 4000, None, "@" * 4000),
]


@pytest.mark.parametrize(("text", "field", "key"), [row[1:] for row in NAMES], ids=[row[0] for row in NAMES])
def test_a_name_is_found_in_any_form(text: str, field: str | None, key: str) -> None:
    assert LoginName.of(text) == (field, key)


PASSWORDS: list[tuple[str, str, str]] = [
    ("NFD (macOS, German)", "scho\u0308ner Garten", "schöner Garten"),
    ("NFD (Vietnamese)", "tie\u0302\u0301ng", "tiếng"),
    ("Hangul syllables of letters (Korean)", "\u1112\u1161\u11ab", "한"),
    ("other spaces (Japanese)", "a\u3000b\u00a0c", "a b c"),
    ("case, widths, ligatures and blanks at the ends are kept", " A\uff21\ufb01 ", " A\uff21\ufb01 "),
]


@pytest.mark.parametrize(("text", "prepared"), [row[1:] for row in PASSWORDS], ids=[row[0] for row in PASSWORDS])
def test_a_password_has_one_form(text: str, prepared: str) -> None:
    assert prepared_password(text) == prepared == prepared_password(prepared)


COMPOSED = "Zoë\u0020trinkt Café"
FORMS = [COMPOSED, normalize("NFD", COMPOSED), COMPOSED.replace(" ", "\u00a0")]


def login(client: TestClient, name: str, password: str) -> int:
    return int(client.post("/login", data={"username": name, "password": password}).status_code)


@pytest.mark.parametrize("registered", FORMS)
def test_a_user_signs_in_with_name_or_address_in_any_form(client: TestClient, registered: str) -> None:
    body = {"username": " Alice\u3000", "email": "Zoe\u0308@Example.com", "password": registered}
    made = client.post("/register", json=body)
    assert (made.status_code, made.json()["username"], made.json()["email"]) == (201, "Alice", "Zoë@example.com")

    for name in ("alice", "ALICE ", "\uff21lice", "zoë@example.com", " ZOE\u0308@EXAMPLE.COM\u00a0"):
        assert [login(client, name, form) for form in FORMS] == [200] * 3, name
    assert [login(client, "alice", wrong) for wrong in (f"{COMPOSED} ", COMPOSED.lower())] == [401, 401]

    person = signed_in(client, "alice", registered)
    change = {"email": "new@example.com", "current_password": FORMS[1]}
    assert person.ask("PATCH", "/me", change).status_code == 200
    assert login(client, "zoë@example.com", COMPOSED) == 401
    assert login(client, "new@example.com", COMPOSED) == 200
    new = {"current_password": FORMS[2], "new_password": normalize("NFD", "ein schöner Garten")}
    assert person.ask("POST", "/me/password", new).status_code == 200
    assert login(client, "alice", "ein schöner Garten") == 200


def insert_old(client: TestClient, name: str, password: str) -> None:
    """Insert an account as the versions before 0.3 stored it: with the hash of the password as it was typed."""
    email = f"{name}@example.com"
    hashed = hash_password(password, 4)
    user = User(
        username=name, username_key=name, email=email, email_key=email, password=hashed, secret_key=new_secret_key()
    )

    async def insert() -> None:
        await user.insert()
        await User.find_one(User.username_key == name).update({"$unset": {"password_prepared": ""}})

    assert client.portal
    client.portal.call(insert)


LENGTHENED = "\u0958" * 24
"""A password of 72 bytes that has 144 in NFC."""


@pytest.mark.parametrize(
    ("registered", "forms", "is_rehashed"),
    [(FORMS[0], FORMS, False), (FORMS[1], FORMS, True), (FORMS[2], FORMS, True), (LENGTHENED, [LENGTHENED], False)],
)
def test_an_old_account_signs_in_as_before_and_then_in_any_form(
    client: TestClient, registered: str, forms: list[str], is_rehashed: bool
) -> None:
    insert_old(client, "alice", registered)
    assert client.portal
    old = client.portal.call(stored, "alice").password
    others = [form for form in forms if form != registered]

    assert [login(client, "alice", form) for form in others] == [401] * len(others)
    assert [login(client, "alice", form) for form in (registered, *forms)] == [200] * (1 + len(forms))
    assert (client.portal.call(stored, "alice").password != old) is is_rehashed


def test_each_attempt_costs_one_comparison(teacher: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    insert_old(teacher.client, "senior", PASSWORD)
    compared: list[str] = []
    monkeypatch.setattr(password_hashing, "verify_password", lambda password, _: compared.append(password))

    for name in ("teacher", "teacher@example.com", "senior", "nobody", "nobody@example.com"):
        for wrong in (FORMS[1], LENGTHENED, "x" * 73):
            assert login(teacher.client, name, wrong) == 401
            assert len(compared) == 1, (name, wrong)
            compared.clear()
