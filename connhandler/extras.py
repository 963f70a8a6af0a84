"""What to install when a library is missing that not every program needs.

Around the import of such a library, `extra` says which extra of this package brings it.
"""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Say of what cannot be imported in the block that the extra of this name brings it.

    Raises:
        ImportError: a library is missing, or too old.
    """
    try:
        yield
    except ImportError as error:
        raise ImportError(
            f"{error}: this needs the extra {name!r}, which pip install 'connhandler[{name}]' brings", name=error.name
        ) from error
