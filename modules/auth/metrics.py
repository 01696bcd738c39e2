"""What is counted of accounts."""

from core.metrics import Counter, Gauge

FAILURES = Counter(
    "auth_failures_total", "What was refused: a wrong password, a token that is not valid, a try too many.", ["reason"]
)
WRONG_PASSWORD = FAILURES.labels("password")
INVALID_TOKEN = FAILURES.labels("token")
THROTTLED = FAILURES.labels("throttled")

PASSWORDS_WAITING = Gauge("auth_passwords_waiting", "Passwords that wait for a thread, to be hashed or compared.")
PASSWORDS_RUNNING = Gauge("auth_passwords_running", "Passwords that are being hashed or compared.")
