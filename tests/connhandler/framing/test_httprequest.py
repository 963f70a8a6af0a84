import pytest
from hypothesis import given
from hypothesis import strategies as st

from connhandler.errors import ProtocolError
from connhandler.framing.httprequest import MAX_QUERY_FIELDS, HttpError, join_headers, parse_target


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/", "/", {}),
        ("/caf%C3%A9%20%2F..", "/café /..", {}),
        ("//a//b/../c", "//a//b/../c", {}),
        ("/+", "/+", {}),
        ("/?a=1&a=2&b&c=%20+%zz%ff", "/", {"a": "2", "b": "", "c": "  %zz\ufffd"}),
        ("/??", "/", {"?": ""}),
        ("/?", "/", {}),
        ("http://host:1/a?b=c", "/a", {"b": "c"}),
        ("HTTPS://host", "/", {}),
        ("http://host?b=c", "/", {"b": "c"}),
        ("/?" + "&".join(str(number) for number in range(MAX_QUERY_FIELDS)), "/", None),
    ],
)
def test_targets(target: str, path: str, query: dict[str, str] | None) -> None:
    got_path, got_query = parse_target("GET", target)
    assert got_path == path
    assert got_query == query or (query is None and len(got_query) == MAX_QUERY_FIELDS)


def test_the_asterisk_is_for_options_alone() -> None:
    assert parse_target("OPTIONS", "*") == ("*", {})
    with pytest.raises(HttpError):
        parse_target("GET", "*")


@pytest.mark.parametrize(
    "target",
    [
        *("", "a", "?a", "*", "ftp://a/", "http:/a", "http:///a", "/#a", "/a?b#c"),
        *("/%", "/%2", "/%zz", "/%ff", "/%c3", "/%00", "/%0a", "/%0D", "/%7f"),
        "/?" + "a&" * (MAX_QUERY_FIELDS + 1),
    ],
)
def test_bad_targets(target: str) -> None:
    with pytest.raises(HttpError) as error:
        parse_target("GET", target)
    assert error.value.status == 400


@given(st.text("%0aAf/?#&=+. :h", max_size=20))
def test_a_target_is_a_path_or_refused(target: str) -> None:
    try:
        path, _ = parse_target("GET", target)
    except HttpError:
        return
    assert path.startswith("/")
    assert path.isprintable() or not path.isascii()


def test_repeated_headers_are_joined() -> None:
    fields = [("x", "1"), ("cookie", "a=1"), ("x", "2"), ("cookie", "b=2")]
    assert join_headers(fields) == {"x": "1, 2", "cookie": "a=1; b=2"}


def test_an_error_carries_its_status() -> None:
    error = HttpError(405, "not here", {"Allow": "GET"})
    assert isinstance(error, ProtocolError)
    assert (error.status, error.text, error.headers, str(error)) == (405, "not here", {"Allow": "GET"}, "405 not here")
