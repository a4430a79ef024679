"""The board on loopback: its own files and nothing else."""

from __future__ import annotations

import http.client
import re
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clbench.board.render import build
from clbench.board.serve import server
from clbench.errors import UserError


@pytest.fixture(scope="module")
def folder(submissions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("served")
    build(submissions, place)
    (place / ".secret").write_text("secret", encoding="utf-8")
    (place / "other.txt").write_text("secret", encoding="utf-8")
    return place


@pytest.fixture
def port(folder: Path) -> Iterator[int]:
    with server(folder) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running.server_port
        running.shutdown()
        thread.join()


def ask(port: int, path: str, method: str = "GET") -> tuple[int, bytes, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.putrequest(method, path)  # as it is: no library cleans the path
    connection.endheaders()
    answer = connection.getresponse()
    found = answer.status, answer.read(), dict(answer.getheaders())
    connection.close()
    return found


@pytest.mark.parametrize(
    ("path", "name", "kind"),
    [
        ("/", "index.html", "text/html"),
        ("/index.html?x=1", "index.html", "text/html"),
        ("/board.csv", "board.csv", "text/csv"),
        ("/README.md", "README.md", "text/markdown"),
    ],
)
def test_its_own_files(port: int, folder: Path, path: str, name: str, kind: str) -> None:
    status, body, headers = ask(port, path)
    assert (status, body) == (200, (folder / name).read_bytes())
    assert headers["Content-Type"] == f"{kind}; charset=utf-8"
    assert ask(port, path, "HEAD")[:2] == (200, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/.secret", "/other.txt", "/submissions/", "/../served0/.secret", "/%2e%2e/x", "/..%2f..%2fetc/passwd",
        "//etc/passwd", "/board.csv/", "/./board.csv", "http://127.0.0.1/", "/index.html%00",
    ],
)  # fmt: skip
def test_nothing_else(port: int, path: str) -> None:
    status, body, _ = ask(port, path)
    assert status == 404
    assert b"secret" not in body
    assert b"root:" not in body


def reset(port: int, sent: bytes, read: int = 0) -> None:
    """Connect, send, read a little, and go away with a reset instead of a farewell."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(sent)
        if read:
            client.recv(read)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_a_client_that_goes_away_leaves_no_traceback(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ends = []
    with server(folder) as running:
        original = running.shutdown_request

        def ended(request: Any) -> None:
            original(request)
            ends.append(request)

        running.shutdown_request = ended  # type: ignore[method-assign]
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        port = running.server_port
        whole = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
        for sent, read in ((b"", 0), (b"GET", 0), (b"GET / HTTP/1.1\r\nHo", 0), (whole, 0), (whole, 10)):
            reset(port, sent, read)
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            client.sendall(b"GET / HT")  # and a farewell in the middle of a line
        deadline = time.monotonic() + 10
        while len(ends) < 6 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(ends) == 6
        assert ask(port, "/board.csv")[0] == 200
        running.shutdown()
        thread.join()
    assert capfd.readouterr().err == ""


def test_a_fault_of_the_server_still_shows(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with server(folder) as running:
        try:
            raise ValueError("a fault of ours")
        except ValueError:
            running.handle_error(None, ("127.0.0.1", 1))  # type: ignore[arg-type]
    assert "a fault of ours" in capfd.readouterr().err


def test_nothing_can_be_sent(port: int) -> None:
    assert ask(port, "/", "POST")[0] == 501
    assert ask(port, "/", "DELETE")[0] == 501


def test_a_port_that_is_taken_is_a_sentence(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UserError, match=r"--port \d+ cannot be used"):
            server(folder, taken.getsockname()[1])


def test_no_board_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="clbench leaderboard build writes it"):
        server(tmp_path)


def test_ctrl_c_ends_it(folder: Path) -> None:
    import signal

    # Whoever runs the tests in the background may have told all its children to overhear Ctrl-C.
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from clbench.cli.leaderboard import command; command()"
    )
    words = [sys.executable, "-u", "-c", code, "serve", "--out", str(folder), "--port", "0"]
    environment = {"PYTHONPATH": ":".join(sys.path), "PATH": ""}
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment) as running:
        try:
            assert running.stdout is not None
            line = running.stdout.readline()
            found = re.match(r"http://127\.0\.0\.1:(\d+)/ serves ", line)
            assert found is not None
            assert ask(int(found[1]), "/")[0] == 200
            running.send_signal(signal.SIGINT)
            assert running.wait(timeout=20) == 0
        finally:
            running.kill()
