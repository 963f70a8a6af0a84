"""What a name and a new password must be like."""

import re

from login_server.accounts import passwords
from login_server.refusal import Refusal

NAME = re.compile(r"[A-Za-z0-9_.-]{2,24}")


def fold(name: str) -> str:
    """What two spellings of one name have in common."""
    return name.lower()


def check_name(name: str) -> None:
    """Raises:
    Refusal: `name_invalid`.
    """
    if not NAME.fullmatch(name):
        raise Refusal("name_invalid", "a name has 2 to 24 letters (a to z), digits or the characters _ . -")


def check_new_password(password: str) -> None:
    """Raises:
    Refusal: `password_too_short` or `password_too_long`.
    """
    if len(password) < passwords.MIN_LENGTH:
        raise Refusal("password_too_short", f"a password has at least {passwords.MIN_LENGTH} characters")
    if len(password) > passwords.MAX_LENGTH:
        raise Refusal("password_too_long", f"a password has at most {passwords.MAX_LENGTH} characters")
