"""The metrics of accounts."""

from core.metrics import Counter, Gauge

FAILURES = Counter(
    "auth_failures_total",
    "Rejected authentication attempts: wrong passwords, invalid tokens, and throttled attempts.",
    ["reason"],
)
WRONG_PASSWORD = FAILURES.labels("password")
INVALID_TOKEN = FAILURES.labels("token")
THROTTLED = FAILURES.labels("throttled")

PASSWORDS_WAITING = Gauge("auth_passwords_waiting", "Passwords that are waiting for a thread to hash or compare them.")
PASSWORDS_RUNNING = Gauge("auth_passwords_running", "Passwords that are currently being hashed or compared.")
