"""Tests of the client: its rules against a server that is made up, and all calls against
a real one, which SPILLWAY_URL names. Its admin is username/password, its nodes can do
grayscale, and SPILLWAY_DATA is a folder with a.png, b.png and song.flac.
"""

from __future__ import annotations

import contextlib
import http.server
import os
import pathlib
import socket
import tempfile
import threading
import time
import unittest
import zipfile
from collections.abc import Iterator
from typing import Any, Optional
from unittest import mock

import spillway
from spillway import Client

URL = os.environ.get("SPILLWAY_URL", "")
DATA = pathlib.Path(os.environ.get("SPILLWAY_DATA", "."))


class Answer:
    """What the made-up server says to a call; status 0: it hangs up."""

    def __init__(self, status: int, body: str = "{}", **headers: str) -> None:
        self.status, self.body, self.headers = status, body.encode(), {k.replace("_", "-"): v for k, v in headers.items()}


@contextlib.contextmanager
def made_up(*answers: Answer) -> Iterator[tuple[Client, list[Any]]]:
    """A client of a server that gives these answers in turn, and the calls that it got."""
    calls: list[Any] = []
    left = list(answers)

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            calls.append((self.command, self.path, dict(self.headers), self.rfile.read(int(self.headers.get("Content-Length", 0)))))
            answer = left.pop(0)
            self.close_connection = True
            if answer.status == 0:
                return
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_POST = do_DELETE = answer

        def log_message(self, *args: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        with Client(f"http://127.0.0.1:{server.server_port}", token="t") as c:
            yield c, calls
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Rules(unittest.TestCase):
    """What holds for all calls."""

    def setUp(self) -> None:
        sleep = mock.patch("time.sleep")
        self.sleep = sleep.start()
        self.addCleanup(sleep.stop)

    def test_a_busy_server_is_asked_again_when_it_said(self) -> None:
        busy = Answer(503, '{"error":"busy","code":"unavailable"}', Retry_After="7")
        with made_up(busy, busy, Answer(200, '{"nodes":[]}')) as (c, calls):
            self.assertEqual([], c.nodes())
            self.assertEqual(3, len(calls))
            self.assertEqual([mock.call(7), mock.call(7)], self.sleep.call_args_list)

    def test_a_wait_longer_than_patience_is_an_error(self) -> None:
        with made_up(Answer(429, '{"error":"slow down","code":"resource_exhausted","hint":"wait"}', Retry_After="3600", X_Request_Id="r1")) as (c, _):
            with self.assertRaises(spillway.ResourceExhausted) as e:
                c.nodes()
            self.assertEqual((429, "wait", 3600, "r1"), (e.exception.status, e.exception.hint, e.exception.retry_after, e.exception.request_id))
            self.sleep.assert_not_called()

    def test_a_post_is_sent_again_under_the_same_key(self) -> None:
        with made_up(Answer(0), Answer(409, '{"error":"it runs","code":"resource_exhausted"}', Retry_After="1"), Answer(201, '{"id":"j"}')) as (c, calls):
            self.assertEqual("j", c.submit("data")["id"])
            keys = {headers["Idempotency-Key"] for _, _, headers, _ in calls}
            self.assertEqual((3, 1), (len(calls), len(keys)))
            self.assertEqual({b'{"source": "data"}'}, {body for *_, body in calls})

    def test_an_upload_without_a_key_is_not_sent_twice(self) -> None:
        with made_up(Answer(0)) as (c, calls):
            with self.assertRaises(spillway.Unavailable):
                c.upload_image(1, b"picture")
            self.assertEqual(1, len(calls))

    def test_an_upload_that_was_turned_away_is_sent_again_whole(self) -> None:
        with made_up(Answer(503), Answer(200, '{"image_id":0}')) as (c, calls):
            c.upload_image(1, b"picture", "a.png")
            self.assertEqual(calls[0][3], calls[1][3])
            self.assertIn(b'filename="a.png"\r\n\r\npicture\r\n', calls[1][3])

    def test_a_delete_whose_answer_was_lost_is_done(self) -> None:
        with made_up(Answer(0), Answer(404)) as (c, calls):
            c.remove_user("ada")
            self.assertEqual(2, len(calls))

    def test_logins_are_not_repeated_by_themselves(self) -> None:
        with made_up(Answer(429, "{}", Retry_After="1")) as (c, calls):
            with self.assertRaises(spillway.ResourceExhausted):
                c.login("ada", "wrong")
            self.assertEqual(1, len(calls))

    def test_tries_come_to_an_end(self) -> None:
        with made_up(*[Answer(502, "<html>")] * 6) as (c, calls):
            with self.assertRaises(spillway.Unavailable):
                c.nodes()
            self.assertEqual(6, len(calls))

    def test_a_server_that_is_not_there_is_named(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as s:
            url = f"http://127.0.0.1:{s.getsockname()[1]}"
        with self.assertRaises(spillway.Unavailable) as e:
            Client(url, retries=1).nodes()
        self.assertEqual(0, e.exception.status)

    def test_an_address_that_is_no_url_is_named_at_once(self) -> None:
        with self.assertRaisesRegex(spillway.InvalidArgument, "http://"):
            Client("127.0.0.1:8080")

    def test_pages_are_fetched_as_they_are_read(self) -> None:
        with made_up(Answer(200, '{"jobs":[{"id":"a"},{"id":"b"}],"next_cursor":"c+/"}'), Answer(200, '{"jobs":[{"id":"c"}]}')) as (c, calls):
            jobs = c.jobs(limit=2)
            self.assertEqual("a", next(jobs)["id"])
            self.assertEqual(1, len(calls))
            self.assertEqual(["b", "c"], [j["id"] for j in jobs])
            self.assertEqual("/jobs?order=newest&limit=2&cursor=c%2B%2F", calls[1][1])

    def test_the_token_goes_to_its_server_alone(self) -> None:
        with made_up() as (c, calls):
            for url in ("http://other.example/music/1/final.mp3", c.url + ".example/x", "https" + c.url[4:] + "/x"):
                with self.assertRaises(spillway.InvalidArgument):
                    c.download_track(url, "never")
            self.assertEqual([], calls)

    def test_names_stay_one_part_of_the_path(self) -> None:
        with made_up(Answer(404)) as (c, calls):
            with self.assertRaises(spillway.NotFound):
                c.node("../a b?c#d%2f")
            self.assertEqual("/nodes/..%2Fa%20b%3Fc%23d%252f", calls[0][1])
            for name in ("", ".", ".."):
                with self.assertRaises(spillway.InvalidArgument):
                    c.delete_folder(name)

    def test_a_netrc_does_not_replace_the_token(self) -> None:
        with tempfile.NamedTemporaryFile("w") as f, mock.patch.dict(os.environ, NETRC=f.name):
            f.write("default login other password other\n")
            f.flush()
            with made_up(Answer(200, '{"nodes":[]}')) as (c, calls):
                c.nodes()
                self.assertEqual("Bearer t", calls[0][2]["Authorization"])

    def test_a_download_that_ends_early_is_no_file(self) -> None:
        with tempfile.TemporaryDirectory() as d, made_up(*[Answer(200, "half", Content_Length="8")] * 6) as (c, _):
            with self.assertRaises(spillway.Unavailable):
                c.download_workload(1, pathlib.Path(d) / "w.zip")
            self.assertEqual([], os.listdir(d))

    def test_events_are_read_whole_and_go_on_behind_the_last(self) -> None:
        first = 'retry: 250\n\n: alive\n\nid: 1-1\nevent: state\ndata: {"a":\ndata: 1}\r\n\r\nid: 1-2\nevent: state\ndata: {'
        second = 'id: 1-2\nevent: state\ndata: {"a":2}\n\nid: 1-3-end\nevent: end\ndata: {}\n\n'
        with made_up(Answer(200, first), Answer(503), Answer(200, second)) as (c, calls):
            heard = [(e.id, e.kind, e.data) for e in c.job_events("j")]
            self.assertEqual([("1-1", "state", {"a": 1}), ("1-2", "state", {"a": 2}), ("1-3-end", "end", {})], heard)
            self.assertEqual([None, "1-1", "1-1"], [headers.get("Last-Event-ID") for _, _, headers, _ in calls])
            self.assertEqual([mock.call(0.25)] * 2, self.sleep.call_args_list)

    def test_a_dead_token_ends_events(self) -> None:
        with made_up(Answer(200, ""), Answer(401)) as (c, _):
            with self.assertRaises(spillway.Unauthenticated):
                list(c.nodes_events())


class Cutter:
    """A proxy that cuts each connection after so many bytes one way: 0 is never."""

    def __init__(self, port: int) -> None:
        self.up = self.down = 0
        self.connections = 0
        self._port, self._open = port, set[socket.socket]()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Cut all connections that there are."""
        for s in list(self._open):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # close alone leaves accept waiting
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._port))
                self.connections += 1
                self._open |= {near, far}
                for a, b, most in ((near, far, self.up), (far, near, self.down)):
                    threading.Thread(target=self._pump, args=(a, b, most), daemon=True).start()

    def _pump(self, a: socket.socket, b: socket.socket, most: int) -> None:
        with contextlib.suppress(OSError):
            passed = 0
            while block := a.recv(min(65536, most - passed) if most else 65536):
                b.sendall(block)
                passed += len(block)
                if passed == most:
                    break
        for s in (a, b):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
        b.close()  # a is the other pump's to close


@unittest.skipUnless(URL, "SPILLWAY_URL names no server")
class Server(unittest.TestCase):
    """All calls, against a real server."""

    def setUp(self) -> None:
        self.c = Client(URL)
        self.c.login("username", "password")
        self.addCleanup(self.c.__exit__, None, None, None)
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.dir = pathlib.Path(scratch.name)

    def cutter(self) -> tuple[Cutter, Client]:
        cutter = Cutter(int(URL.rpartition(":")[2]))
        self.addCleanup(cutter.close)
        c = Client(cutter.url, token=self.c.token)
        self.addCleanup(c.close)
        return cutter, c

    def great(self, size: int) -> pathlib.Path:
        path = self.dir / "great.png"
        path.write_bytes(os.urandom(size))
        return path

    def test_accounts(self) -> None:
        self.c.add_user("ada", "påsswörd", "viewer")
        with self.assertRaises(spillway.AlreadyExists):
            self.c.add_user("ada", "another one")
        with Client(URL) as ada:
            ada.login("ada", "påsswörd")
            with self.assertRaises(spillway.PermissionDenied) as e:
                ada.users()
            self.assertIn("admin", e.exception.hint)
            token = ada.token
        with self.assertRaises(spillway.Unauthenticated), Client(URL, token=token) as late:
            late.nodes()
        self.c.change_user("ada", role="operator")
        self.assertEqual({"ada": "operator"}, {u["name"]: u["role"] for u in self.c.users() if u["name"] == "ada"})
        self.c.remove_user("ada")
        with self.assertRaises(spillway.Unauthenticated), Client(URL) as gone:
            gone.login("ada", "påsswörd")

    def test_a_token_for_metrics_reads_nothing_else(self) -> None:
        token = self.c.issue_token(scope="metrics", hours=1)
        self.assertEqual("metrics", token["scope"])
        with Client(URL, token=token["token"]) as c:
            self.assertIn("spillway_", c.metrics())
            with self.assertRaises(spillway.PermissionDenied):
                c.nodes()

    def test_the_server_and_its_nodes(self) -> None:
        self.assertTrue(self.c.healthy() and self.c.ready())
        self.assertIn("/jobs/{id}", self.c.openapi()["paths"])
        self.assertIn("grayscale", {o["name"] for o in self.c.operations()})
        self.assertIn("pull", {p["name"] for p in self.c.policies()})
        name = self.c.nodes()[-1]["name"]
        self.assertEqual("draining", self.c.drain(name)["state"])
        self.assertEqual("draining", self.c.node(name)["state"])
        self.assertNotEqual("draining", self.c.undrain(name)["state"])
        self.assertLessEqual(len(self.c.node_log(name, 5)), 5)
        self.assertEqual("node takes work again", [line for line in self.c.log() if line["message"].startswith("node ")][-1]["message"])
        with self.assertRaises(spillway.NotFound):
            self.c.node("nobody")

    def test_a_job_from_upload_to_download(self) -> None:
        for name in ("a.png", "b.png"):
            source = self.c.upload("photos", DATA / name)
        with self.assertRaises(spillway.AlreadyExists):
            self.c.upload("photos", DATA / "a.png")
        self.c.upload("photos", DATA / "b.png", "a.png", overwrite=True)
        self.assertEqual([("input_dir", "a.png"), ("input_dir", "b.png")], [(f["dir"], f["name"]) for f in self.c.files("photos")])
        self.assertIn("photos", self.c.folders())

        job = self.c.submit(source, operation={"name": "grayscale"}, policy="pull", deadline="5m", priority=3, key="once")
        self.assertEqual(job["id"], self.c.submit(source, operation={"name": "grayscale"}, policy="pull", deadline="5m", priority=3, key="once")["id"])
        done = self.c.wait(job["id"], 60)
        self.assertEqual(("succeeded", 2, 2), (done["state"], done["total"], done["done"]))
        self.assertEqual(["a.png", "b.png"], [t["name"] for t in self.c.tasks(job["id"], state=["done"], limit=1)])
        self.assertTrue(self.c.steps(job["id"]))
        self.assertEqual("succeeded", self.c.cancel(job["id"])["state"])
        with self.assertRaises(spillway.FailedPrecondition):
            self.c.retry(job["id"])
        self.assertIn(job["id"], [j["id"] for j in self.c.jobs(state=["succeeded", "running"], limit=1)])

        self.c.download_folder("photos", "output_dir", self.dir / "out.zip")
        self.c.download_file("photos", "a.png", self.dir / "a.png")
        with zipfile.ZipFile(self.dir / "out.zip") as z:
            self.assertEqual((self.dir / "a.png").read_bytes(), z.read("a.png"))
        self.c.delete_file("photos", "a.png")
        self.c.delete_folder("photos")
        with self.assertRaises(spillway.NotFound):
            self.c.source("photos")

    def test_events_go_on_behind_the_last_that_was_heard(self) -> None:
        cutter, c = self.cutter()
        sleep = mock.patch("time.sleep", lambda s, real=time.sleep: real(min(s, 0.1)))  # the server says 3 s
        sleep.start()
        self.addCleanup(sleep.stop)
        source = self.c.upload("heard", DATA / "a.png")
        events = c.nodes_events()
        present = next(events)
        self.assertEqual(("present", 2), (present.kind, len(present.data["nodes"])))
        name = present.data["nodes"][0]["name"]
        cutter.cut()  # and so this happens while nobody listens
        self.c.drain(name)
        told = next(e for e in events if e.kind != "load")
        self.assertEqual(("state", name, "draining"), (told.kind, told.data["name"], told.data["state"]))
        self.c.undrain(name)

        job = self.c.submit(source, operation="grayscale")["id"]
        last = list(self.c.job_events(job))[-1]
        self.assertEqual(("end", "succeeded"), (last.kind, last.data["state"]))
        self.assertEqual([], list(self.c.job_events(job, last.id)), "there is no more behind the end")
        self.assertIn(job, [j["id"] for j in next(self.c.jobs_events()).data["jobs"]])
        self.assertTrue(next(self.c.log_events("0")).data["message"])
        with self.assertRaises(spillway.NotFound):
            next(self.c.job_events("none"))
        self.c.delete_folder("heard")

    def test_uploads_and_downloads_go_on_where_they_broke(self) -> None:
        cutter, c = self.cutter()
        path, sent, urls = self.great(5_000_000), list[int](), list[str]()
        cutter.up = 1_500_000
        c.upload("great", path, begun=urls.append, progress=lambda at, of: sent.append(at))
        self.assertGreater(cutter.connections, 3)
        self.assertEqual(5_000_000, max(sent))
        again = max(b for a, b in zip(sent, sent[1:]) if b < a)
        self.assertGreater(again, 3_400_000, "what came is not sent again: a connection takes 1,500,000")
        self.assertEqual(1, len(urls))
        cutter.up = 0
        cuts = iter([cutter.cut])
        c.upload("great", path, "late.png", progress=lambda at, of: next(cuts, lambda: None)() if at == of else None)
        self.assertEqual({5_000_000}, {f["size"] for f in self.c.files("great")}, "whole, though its answer was lost")

        cutter.up, cutter.down = 0, 1_500_000
        cutter.cut()
        self.assertEqual(5_000_000, c.download_file("great", path.name, self.dir / "back", "input_dir"))
        self.assertEqual(path.read_bytes(), (self.dir / "back").read_bytes())
        self.c.delete_folder("great")

    def test_another_process_goes_on_with_an_upload(self) -> None:
        cutter, c = self.cutter()
        path, urls = self.great(2_000_000), list[str]()
        cutter.up, c.retries = 1_000_000, 0
        with self.assertRaises(spillway.SpillwayError):
            c.upload("left", path, begun=urls.append)
        self.assertEqual(["great.png"], [u["filename"] for u in self.c.uploads()])
        at = list[int]()
        self.c.upload("left", path, url=self.c.uploads()[0]["url"], progress=lambda sent, of: at.append(sent))
        self.assertGreater(at[0], 100_000, "not from the beginning")
        self.c.delete_folder("left")

    def test_workloads_and_images(self) -> None:
        w = self.c.create_workload(name="holidays")["workload_id"]
        self.assertEqual(0, self.c.upload_image(w, DATA / "a.png")["image_id"])
        self.assertEqual(1, self.c.upload_image(w, (DATA / "b.png").read_bytes(), "b.png")["image_id"])
        self.assertEqual([0, 1], self.c.wait_workload(w, 60)["filtered_images"])
        self.assertEqual((DATA / "a.png").read_bytes(), self.c.image(w, 0, "original"))
        self.assertEqual([(0, "done"), (1, "done")], [(i["image_id"], i["state"]) for i in self.c.images(w)])
        size = self.c.download_image(w, 1, self.dir / "1.png")
        self.assertEqual(size, len(self.c.image(w, 1)))
        self.c.download_workload(w, self.dir / "w.zip")
        with zipfile.ZipFile(self.dir / "w.zip") as z:
            self.assertEqual(2, len(z.namelist()))
        self.c.upload_image(w, DATA / "b.png", type="filtered", twin_of=0)
        self.assertEqual((DATA / "b.png").read_bytes(), self.c.image(w, 0))
        self.assertEqual("home", self.c.rename_workload(w, "home")["workload_name"])
        self.assertIn(w, [x["workload_id"] for x in self.c.workloads()])
        self.assertEqual("completed", self.c.cancel_workload(w)["status"])
        self.assertEqual("Spillway", self.c.status()["system_name"])
        self.c.delete_workload(w)
        with self.assertRaises(spillway.NotFound):
            self.c.workload(w)

    def test_music(self) -> None:
        song = self.c.add_music(DATA / "song.flac")
        tracks = [t["track_id"] for t in song["tracks"]]
        self.assertEqual(4, len(tracks))
        with self.assertRaises(spillway.NotFound):
            self.c.choose_tracks(song["music_id"], [99])
        self.c.choose_tracks(song["music_id"], tracks[1:])
        done = self.c.wait_music(song["music_id"], 60)
        self.assertEqual(100, done["progress"])
        self.assertGreater(self.c.download_track(done["final"], self.dir / "final.mp3"), 1000)
        self.assertGreater(self.c.download_track(done["instruments"][0]["track"], self.dir / "vocals.wav"), 1000)
        self.assertEqual([song], self.c.music())
        self.assertEqual(song["music_id"], self.c.music_job(self.c.music_jobs()[0])["music_id"])
        self.c.reset_music()
        self.assertEqual([], self.c.music())


if __name__ == "__main__":
    unittest.main()
