"""The server of the live page: who is let in, what is told, and that it survives its viewers."""

import contextlib
import html
import http.client
import json
import socket
import threading
import time
from urllib.parse import urlsplit

import pytest
from running_trees import add_row, write_experiment, write_running

from scoring.watch import server
from scoring.watch.feed import Feed

SECONDS = 0.05  # between two looks


@pytest.fixture
def logs(tmp_path):
    write_experiment(tmp_path / "logs")
    write_running(tmp_path / "logs")
    (tmp_path / "secret.txt").write_text("secret")
    return tmp_path / "logs"


@pytest.fixture
def address(logs):
    with server.serving(logs, seconds=SECONDS) as found:
        yield urlsplit(found)


def ask(address, path, method="GET", **headers):
    """(status, headers, text) of an answer that ends."""
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=20)
    with contextlib.closing(connection):
        connection.putrequest(method, path, skip_host="Host" in headers)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode()


@contextlib.contextmanager
def stream(address):
    """Lines of an open stream of events."""
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=20)
    connection.request("GET", f"/events?{address.query}")
    answer = connection.getresponse()
    try:
        assert answer.status == 200
        yield answer
    finally:
        answer.close()
        connection.close()


def next_event(answer, kind):
    """The data of the next event of a kind."""
    name, deadline = None, time.monotonic() + 60
    while True:
        # An end has no lines, and words that say nothing come for ever.
        line = answer.readline().decode()
        assert line and time.monotonic() < deadline, f"no event {kind!r} came"
        line = line.rstrip("\n")
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        if line.startswith("data: ") and name == kind:
            return json.loads(line.removeprefix("data: "))


# --- who is let in ------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/events", "/nothing", "/?token=", "/?token=wrong"])
def test_without_the_token_everything_is_refused(address, path):
    status, _, text = ask(address, path)
    assert status == 403 and "with its token" in text and "algoperf" not in text


def test_a_token_is_not_the_beginning_of_one_or_twice_the_same(logs):
    tokens = set()
    for _ in range(2):
        with server.serving(logs) as found:
            address = urlsplit(found)
            tokens.add(address.query)
            assert len(address.query) > len("token=") + 20
            assert ask(address, f"/?{address.query[:-1]}")[0] == 403
            assert ask(address, f"/?{address.query}x")[0] == 403
    assert len(tokens) == 2


def test_a_name_that_leads_here_is_refused(address):
    path = f"/?{address.query}"
    port = address.port
    assert ask(address, path)[0] == 200
    assert ask(address, path, Host=f"localhost:{port}")[0] == 200
    for host in (f"evil.example:{port}", f"127.0.0.1.evil.example:{port}", "", "evil.example"):
        assert ask(address, path, Host=host)[0] == 403


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/../secret.txt",
            "/..%2fsecret.txt",
            "/%2e%2e/secret.txt",
            "//secret.txt",
            "/experiment.json",
        ),
        *("/events/../../secret.txt", "/fast/study_0", "/\\..\\secret.txt", "/etc/passwd", "/%00"),
    ],
)
def test_no_path_leads_to_a_file(address, path):
    status, _, text = ask(address, f"{path}?{address.query}")
    assert status in (400, 404) and "secret" not in text and "num_trials" not in text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE"])
def test_it_can_only_be_read(address, method):
    assert ask(address, f"/?{address.query}", method)[0] == 501


def test_it_listens_on_this_machine_alone(address):
    assert address.hostname == "127.0.0.1"
    others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for other in others - {"127.0.0.1"}:
        with pytest.raises(OSError), socket.create_connection((other, address.port), timeout=5):
            pass


def test_answers_let_nothing_out(address):
    _, headers, text = ask(address, f"/?{address.query}")
    assert headers["Referrer-Policy"] == "no-referrer" and headers["Cache-Control"] == "no-store"
    assert headers["X-Frame-Options"] == "DENY"
    assert address.query.removeprefix("token=") not in text
    text = html.unescape(text)
    assert "default-src 'none'" in text and "connect-src 'self'" in text


def test_a_port_that_is_taken_is_a_sentence(address, logs):
    with (
        pytest.raises(ValueError, match=f"port {address.port} .*give another --port"),
        server.serving(logs, port=address.port),
    ):
        pass


# --- what is told -------------------------------------------------------------------------


def test_a_viewer_hears_all_and_then_what_is_new(address, logs):
    with stream(address) as events:
        assert next_event(events, "experiment") == {"numTrials": 6}
        (trial,) = next_event(events, "trials")
        assert (trial["submission"], trial["step"]) == ("fast", 100)
        (sample,) = next_event(events, "machine")
        assert 0 <= sample["cpu"] <= 100 and 0 < sample["memory"] <= 100
        add_row(logs / "fast" / "study_0" / "alpha_jax" / "trial_1")
        (trial,) = next_event(events, "trials")
        assert trial["step"] == 110
        write_running(logs, "slow")
        (trial,) = next_event(events, "trials")
        assert trial["submission"] == "slow"
    with stream(address) as events:
        assert len(next_event(events, "trials")) == 2


def test_twenty_viewers_hear_the_same_and_others_are_served_when_they_go(address, logs):
    with contextlib.ExitStack() as stack:
        viewers = [stack.enter_context(stream(address)) for _ in range(20)]
        for viewer in viewers:
            assert len(next_event(viewer, "trials")) == 1
        add_row(logs / "fast" / "study_0" / "alpha_jax" / "trial_1")
        for viewer in viewers:
            assert next_event(viewer, "trials")[0]["step"] == 110
        assert ask(address, f"/?{address.query}")[0] == 200
    with stream(address) as events:
        assert next_event(events, "trials")[0]["step"] == 110


def test_clients_that_say_nothing_or_nonsense_do_no_harm(address):
    with contextlib.ExitStack() as stack:
        for sent in (b"", b"\xff\x00\r\n\r\n", b"GET /events", b"A" * 70000 + b"\r\n\r\n"):
            place = (address.hostname, address.port)
            other = stack.enter_context(socket.create_connection(place, timeout=20))
            other.sendall(sent)
        assert ask(address, f"/?{address.query}")[0] == 200


def test_it_ends_while_there_are_viewers(logs):
    with contextlib.ExitStack() as stack:
        with server.serving(logs, seconds=SECONDS) as found:
            events = stack.enter_context(stream(urlsplit(found)))
            next_event(events, "trials")
        while events.readline():
            pass
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("watch")]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_viewers_do_not_wait_for_a_feed_that_has_died(logs, monkeypatch):
    with Feed(logs, seconds=SECONDS) as feed:
        monkeypatch.setattr(feed._tree, "poll", lambda: 1 / 0)
        assert list(feed.events()) == []


def test_nothing_is_read_while_nobody_looks(logs, monkeypatch):
    looks = []
    with Feed(logs, seconds=SECONDS) as feed:
        real = feed._tree.poll
        monkeypatch.setattr(feed._tree, "poll", lambda: looks.append(1) or real())
        assert looks == []
        events = feed.events()
        assert b"event: trials" in next(events) and looks
        events.close()
        feed._thread.join(20 * SECONDS)  # the look that was under way
        seen = len(looks)
        feed._thread.join(10 * SECONDS)
        assert len(looks) == seen
