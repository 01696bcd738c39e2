"""The codes of errors in the fields of accounts, with explanations."""

ERROR_CODES = {
    "grant_type": "The only `grant_type` for signing in is `password`.",
    "password_bytes": "The password has more than 72 bytes, or a NUL character.",
    "password_short": "The password has fewer than 8 characters.",
    "password_weak": "The password is too easy to guess.",
    "password_wrong": "The password is not the current password of the account.",
    "reset_code": "The one-time code is wrong, used, revoked or expired. Ask an admin for a new one.",
    "username_form": "The text is not a user name: 3 to 64 ASCII letters, digits, `.`, `_` and `-`, with a letter or a "
    "digit in front.",
}
