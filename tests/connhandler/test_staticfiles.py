import zipfile
from pathlib import Path

import pytest

from connhandler.framing.http import RequestParser
from connhandler.framing.httprequest import HttpRequest
from connhandler.framing.httpresponse import HttpResponse, encode_response
from connhandler.staticfiles import MAX_FILE_BYTES, MAX_FILES, StaticFiles

FILES = {
    "index.html": b"<h1>home</h1>",
    "play/index.html": b"<h1>play</h1>",
    "play/board.mjs": b"export {}",
    "play/a b\xe9.txt": b"text",
    "lists/a.json": b"{}",
    ".secret": b"hidden",
    ".git/config": b"hidden",
    "__pycache__/x.pyc": b"hidden",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "outside.txt").write_bytes(b"not served")
    for name, content in FILES.items():
        path = tmp_path / "pages" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "pages"


def get(files: StaticFiles, path: str, method: str = "GET", **headers: str) -> HttpResponse | None:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return files.answer(HttpRequest(method=method, path=path, headers=names))


def found(files: StaticFiles, path: str, method: str = "GET", **headers: str) -> HttpResponse:
    response = get(files, path, method, **headers)
    assert response is not None
    return response


def test_a_file_is_answered(folder: Path) -> None:
    response = found(StaticFiles(folder), "/play/board.mjs")
    assert (response.status, response.body) == (200, b"export {}")
    assert response.content_type == "text/javascript; charset=utf-8"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cache-Control"] == "no-cache"
    assert found(StaticFiles(folder), "/play/a b\xe9.txt").body == b"text"


def test_a_folder_shows_its_index(folder: Path) -> None:
    files = StaticFiles(folder)
    assert found(files, "/") == found(files, "/index.html")
    assert found(files, "/play/").body == b"<h1>play</h1>"
    assert get(files, "/lists/") is None


def test_a_folder_without_its_slash_leads_to_it(folder: Path) -> None:
    files = StaticFiles(folder, "/a b")
    for path, location in (("/a b/play", "/a%20b/play/"), ("/a b", "/a%20b/")):
        response = files.answer(HttpRequest(method="GET", path=path, query={"x": "&\r\n"}))
        assert response is not None
        assert (response.status, response.headers["Location"]) == (301, location + "?x=%26%0D%0A")
        assert encode_response(response).count(b"\r\n\r\n") == 1
    assert get(files, "/a b/lists") is None


@pytest.mark.parametrize("prefix", ["/static", "/static/"])
def test_a_prefix(folder: Path, prefix: str) -> None:
    files = StaticFiles(folder, prefix)
    assert found(files, "/static/play/board.mjs").body == b"export {}"
    assert found(files, "/static/").body == b"<h1>home</h1>"
    assert get(files, "/play/board.mjs") is None
    assert get(files, "/") is None


@pytest.mark.parametrize(
    "path",
    [
        *("/missing", "/../outside.txt", "/play/../index.html", "/./index.html", "//index.html", "/play//board.mjs"),
        *("/.secret", "/.git/config", "/__pycache__/x.pyc", "index.html", "/index.html/", "/index.html\0", "/*"),
        *("/..\\outside.txt", "/PLAY/board.mjs", "*"),
    ],
)
def test_there_is_nothing_else(folder: Path, path: str) -> None:
    assert get(StaticFiles(folder), path) is None


@pytest.mark.parametrize("target", ["/%2e%2e/outside.txt", "/play/%2e%2e%2findex.html", "/..%2foutside.txt"])
def test_an_encoded_path_leads_nowhere_else(folder: Path, target: str) -> None:
    (request,) = RequestParser(0).receive_data(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    assert StaticFiles(folder).answer(request) is None


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_other_methods_are_for_somebody_else(folder: Path, method: str) -> None:
    assert get(StaticFiles(folder), "/", method) is None


def test_a_head_is_answered_as_a_get(folder: Path) -> None:
    files = StaticFiles(folder)
    assert found(files, "/", "HEAD") == found(files, "/")


@pytest.mark.parametrize("known", ["{}", "W/{}", '"x", {}', '"x",W/{} , "y"', "*"])
def test_a_copy_that_is_still_right_is_not_sent_again(folder: Path, known: str) -> None:
    files = StaticFiles(folder, headers={"X": "y"})
    tag = found(files, "/").headers["ETag"]
    response = found(files, "/", if_none_match=known.format(tag))
    assert (response.status, response.body, response.headers["ETag"]) == (304, b"", tag)
    assert response.headers["X"] == "y"
    assert b"Content-Length" not in encode_response(response)


@pytest.mark.parametrize("known", ["", '"x"', "W/", '"*"'])
def test_another_copy_is_replaced(folder: Path, known: str) -> None:
    assert found(StaticFiles(folder), "/", if_none_match=known).status == 200


def test_the_tag_is_of_the_content(folder: Path) -> None:
    before = found(StaticFiles(folder), "/").headers["ETag"]
    assert found(StaticFiles(folder), "/").headers["ETag"] == before
    assert found(StaticFiles(folder), "/play/").headers["ETag"] != before
    (folder / "index.html").write_bytes(b"other")
    assert found(StaticFiles(folder), "/").headers["ETag"] != before


def test_files_are_read_once(folder: Path) -> None:
    files = StaticFiles(folder)
    (folder / "index.html").unlink()
    assert found(files, "/").body == b"<h1>home</h1>"


def test_headers_are_added_but_none_is_shared(folder: Path) -> None:
    files = StaticFiles(folder, headers={"Cache-Control": "max-age=60", "X-Frame-Options": "DENY"})
    response = found(files, "/")
    assert (response.headers["Cache-Control"], response.headers["X-Frame-Options"]) == ("max-age=60", "DENY")
    response.headers.clear()
    assert found(files, "/").headers["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("a.html", "text/html; charset=utf-8"),
        ("a.css", "text/css; charset=utf-8"),
        ("a.js", "text/javascript; charset=utf-8"),
        ("a.MJS", "text/javascript; charset=utf-8"),
        ("a.json", "application/json"),
        ("a.svg", "image/svg+xml"),
        ("a.png", "image/png"),
        ("a.woff2", "font/woff2"),
        ("a.min.js", "text/javascript; charset=utf-8"),
        ("a.unknown", "application/octet-stream"),
        ("html", "application/octet-stream"),
    ],
)
def test_content_types(tmp_path: Path, name: str, content_type: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    assert found(StaticFiles(tmp_path), "/" + name).content_type == content_type


def test_a_folder_in_an_archive(folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "pages.zip", "w") as archive:
        for name in ("index.html", "play/board.mjs"):
            archive.write(folder / name, "pages/" + name)
    files = StaticFiles(zipfile.Path(tmp_path / "pages.zip", "pages/"))
    assert found(files, "/").body == b"<h1>home</h1>"
    assert found(files, "/play/board.mjs").body == b"export {}"


def test_bounds(tmp_path: Path) -> None:
    (tmp_path / "big.bin").write_bytes(bytes(MAX_FILE_BYTES))
    assert len(found(StaticFiles(tmp_path), "/big.bin").body) == MAX_FILE_BYTES
    (tmp_path / "big.bin").write_bytes(bytes(MAX_FILE_BYTES + 1))
    with pytest.raises(ValueError, match=r"big\.bin"):
        StaticFiles(tmp_path)
    (tmp_path / "big.bin").unlink()
    for number in range(MAX_FILES):
        (tmp_path / f"{number}.txt").touch()
    assert len(StaticFiles(tmp_path).files) == MAX_FILES
    (tmp_path / "more.txt").touch()
    with pytest.raises(ValueError, match="more than"):
        StaticFiles(tmp_path)


def test_a_folder_in_itself(tmp_path: Path) -> None:
    (tmp_path / "again").symlink_to(tmp_path)
    with pytest.raises(ValueError, match="deep"):
        StaticFiles(tmp_path)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        StaticFiles(tmp_path / "missing")
