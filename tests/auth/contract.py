"""The exceptions of the module from the contract."""

from tests.contract.exceptions import Exempt

EXCEPTIONS = (
    Exempt("POST /register", "requires_a_signed_in_user", "Someone who registers has no account yet."),
    Exempt("POST /login", "requires_a_signed_in_user", "Someone who signs in has no token yet."),
    Exempt("POST /password-reset", "requires_a_signed_in_user", "Someone who has lost the password cannot sign in."),
    Exempt("POST /password-reset", "accepts_its_sample_call", "The code of the example was never issued."),
    Exempt("POST /password-reset", "answers_its_examples", "It needs a code that an admin has just created."),
    Exempt("DELETE /me", "answers_its_examples", "The example of POST /me/password has changed the password."),
)
