"""What can be done with accounts."""

from datetime import timedelta

from pymongo.errors import DuplicateKeyError

from core.database import taken_field
from core.errors import Conflict, FieldError, Unauthenticated
from core.identity import Principal
from core.security import InvalidToken, new_secret_key, sign_token, unverified_subject, verify_token
from core.settings import current_settings
from modules.auth import passwords
from modules.auth.models import Credentials, User
from modules.auth.schemas import Token, UserCreate, is_username


class UsernameTaken(Conflict):
    """Another account has this user name, perhaps in another case."""

    title = "User name taken"


class EmailTaken(Conflict):
    """Another account has this e-mail address, perhaps in another case."""

    title = "E-mail address taken"


class WrongCredentials(Unauthenticated):
    """There is no account with this user name and password; which of the two is wrong is not told."""

    title = "Wrong user name or password"


async def register(data: UserCreate) -> User:
    """Make an account with a signing key of its own; raises `UsernameTaken` or `EmailTaken`."""
    user = User(
        username=data.username,
        username_key=data.username.lower(),
        email=data.email,
        email_key=data.email.lower(),
        password=await passwords.hash_of(data.password.get_secret_value()),
        secret_key=new_secret_key(),
    )
    try:
        await user.insert()
    except DuplicateKeyError as error:
        raise _taken(error) from error
    return user


def _taken(error: DuplicateKeyError) -> Conflict:
    if taken_field(error) == "username_key":
        return UsernameTaken(errors=[FieldError(detail="This user name is taken.", pointer="#/username")])
    return EmailTaken(errors=[FieldError(detail="This e-mail address is taken.", pointer="#/email")])


async def sign_in(username: str, password: str) -> Token:
    """A token for the user whose password this is; raises `WrongCredentials`, in the same time for an unknown user
    as for a wrong password."""
    user = await _credentials(username)
    correct = await passwords.matches(password, user.password if user else None)
    if user is None or not correct:
        raise WrongCredentials
    lifetime = timedelta(minutes=current_settings().access_token_minutes)
    return Token(
        access_token=sign_token(user.username, user.secret_key, lifetime),
        token_type="bearer",  # noqa: S106  # not a secret: the name of a kind of token
        expires_in=int(lifetime.total_seconds()),
    )


async def authenticate(token: str) -> Principal:
    """The user whose key signed `token`; raises `Unauthenticated`. Fills core's identity slot.

    One query: the token names its user, and that user's own key must verify it.
    """
    try:
        user = await _credentials(unverified_subject(token))
        if user is None:
            raise InvalidToken
        verify_token(token, user.secret_key)
    except InvalidToken as error:
        raise Unauthenticated(
            "This access token is not valid, or no longer. Sign in again.", error="invalid_token"
        ) from error
    return Principal(user.username)


async def _credentials(username: str) -> Credentials | None:
    if not is_username(username):
        return None
    return await User.find_one(User.username_key == username.lower(), projection_model=Credentials)
