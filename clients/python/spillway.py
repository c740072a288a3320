"""A client for the HTTP API of Spillway, in one file over requests.

    from spillway import Client

    with Client("http://127.0.0.1:8080") as c:
        c.login("ada", "a long password")
        source = c.upload("holidays", "a.jpg")
        job = c.submit(source, operation="blur:kernel=7")
        print(c.wait(job["id"])["state"])
        c.download_folder("holidays", "output_dir", "holidays.zip")

What the server answers comes as dicts with the names that the API has; GET /docs
describes each. What goes wrong is a SpillwayError with code and hint. Calls that may be
made twice are tried again while the server is busy, or the connection breaks. Lists are
iterators that fetch page after page. A Client is for one thread at a time.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import random
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Any, Literal, NotRequired, Optional, TypedDict, TypeVar, Union
from urllib.parse import quote, urljoin

import requests
from requests.auth import AuthBase, HTTPBasicAuth

__version__ = "1"

Role = Literal["viewer", "operator", "admin"]
Dir = Literal["input_dir", "output_dir"]
ImageType = Literal["original", "filtered"]
FilePath = Union[str, "os.PathLike[str]"]
T = TypeVar("T")


class Fault(TypedDict):
    """Why a task or a job is not done."""

    code: str
    message: str
    hint: NotRequired[str]


class Job(TypedDict):
    """A job as a whole; counts are of tasks."""

    id: str
    state: Literal["queued", "running", "succeeded", "failed", "cancelled"]
    source: str
    operation: str
    policy: str
    created: str
    elapsed_s: float
    total: int
    done: int
    failed: int
    quarantined: int
    running: int
    parked: int
    skipped: int
    priority: int
    nodes: list[dict[str, Any]]
    failures: list[dict[str, Any]]
    waiting: NotRequired[str]
    tags: NotRequired[list[str]]
    position: NotRequired[int]
    reason: NotRequired[str]
    trace_id: NotRequired[str]
    error: NotRequired[Fault]
    inputs: NotRequired[list[dict[str, Any]]]
    tasks: NotRequired[list[Task]]


class Task(TypedDict):
    """A task of a job, with its attempts."""

    index: int
    name: str
    state: Literal["pending", "running", "done", "failed", "quarantined"]
    attempts: list[dict[str, Any]]


class Node(TypedDict):
    """A compute node; GET /docs lists more fields than these."""

    name: str
    address: str
    state: Literal["idle", "processing", "draining", "inaccessible"]
    tags: list[str]
    cores: int
    memory_bytes: int
    gpu: str
    cpu_percent: float
    memory_percent: float
    slots: int
    running: int
    queued: int


class User(TypedDict):
    """An account."""

    name: str
    role: Role
    created: str


class Token(TypedDict):
    """A token that was made; it is shown this once."""

    user: str
    token: str
    scope: str
    expires: str


class Workload(TypedDict):
    """A stream of images."""

    workload_id: int
    filter: str
    workload_name: str
    status: Literal["scheduling", "running", "completed"]
    running_jobs: int
    filtered_images: list[int]


class Image(TypedDict):
    """An image that was uploaded."""

    workload_id: int
    image_id: int
    type: ImageType


class Track(TypedDict):
    """One of the tracks of a song."""

    name: str
    track_id: int


class Song(TypedDict):
    """A song that was uploaded."""

    music_id: int
    name: str
    band: str
    tracks: list[Track]


class Progress(TypedDict):
    """How far a song is; final is empty until it is there."""

    progress: int
    instruments: list[dict[str, str]]
    final: str
    error: NotRequired[str]
    hint: NotRequired[str]


class File(TypedDict):
    """A file of a folder."""

    dir: Dir
    name: str
    size: int
    time: str


@dataclass(frozen=True)
class Event:
    """Something that the server tells by itself: its kind, and data as GET /docs has it."""

    id: str
    kind: str
    data: Any


class SpillwayError(Exception):
    """What went wrong: code says who acts on it, hint what to do.

    status is that of HTTP, and 0 where there was no answer; request_id finds the call in
    the server's log; retry_after are the seconds to wait, if the server said so.
    """

    code = ""

    def __init__(self, what: str, *, code: str = "", hint: str = "", status: int = 0, request_id: str = "", retry_after: Optional[float] = None) -> None:
        super().__init__(what)
        self.code = code or self.code
        self.hint, self.status, self.request_id, self.retry_after = hint, status, request_id, retry_after

    def __str__(self) -> str:
        return f"{self.args[0]} ({self.code})" + (f": {self.hint}" if self.hint else "")


class InvalidArgument(SpillwayError):
    """The call is wrong, whenever it is made."""

    code = "invalid_argument"


class Unauthenticated(SpillwayError):
    """There is no token, or none that is valid."""

    code = "unauthenticated"


class PermissionDenied(SpillwayError):
    """The user's role, or the token's scope, does not allow it."""

    code = "permission_denied"


class NotFound(SpillwayError):
    """There is none."""

    code = "not_found"


class AlreadyExists(SpillwayError):
    """There is one already."""

    code = "already_exists"


class FailedPrecondition(SpillwayError):
    """Something else has to happen first."""

    code = "failed_precondition"


class ResourceExhausted(SpillwayError):
    """A limit is reached; later there may be room."""

    code = "resource_exhausted"


class Unavailable(SpillwayError):
    """The server is not there, or not ready."""

    code = "unavailable"


class DeadlineExceeded(SpillwayError):
    """It took too long."""

    code = "deadline_exceeded"


class _Forgotten(Exception):
    """The server does not know an upload any more, of which all was sent."""


ERRORS: Mapping[str, type[SpillwayError]] = {
    c.code: c
    for c in (InvalidArgument, Unauthenticated, PermissionDenied, NotFound, AlreadyExists, FailedPrecondition, ResourceExhausted, Unavailable, DeadlineExceeded)
}


class Client:
    """Makes the calls of one server, as one user.

    url is the server's; token one that was made before, else login makes one. timeout
    are the seconds to connect, and those that the server may be silent. A call that the
    server turns away, or whose connection breaks, is tried again as long as it may be
    made twice: so often (retries), and with pauses of that many seconds in all (patience).
    verify and cert are as in requests, for HTTPS.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8080",
        *,
        token: str = "",
        timeout: tuple[float, float] = (10, 60),
        retries: int = 5,
        patience: float = 60,
        verify: Union[bool, str] = True,
        cert: Union[None, str, tuple[str, str]] = None,
    ) -> None:
        if not url.lower().startswith(("http://", "https://")):
            raise InvalidArgument(f"{url} does not begin with http:// or https://", hint="write it as in http://127.0.0.1:8080")
        self.url = url.rstrip("/")
        self.token = token
        self.timeout, self.retries, self.patience = timeout, retries, patience
        self._session = requests.Session()
        self._session.verify, self._session.cert = verify, cert
        self._mine = False  # the token is of a login of this client's

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        """Log out, if this client logged in."""
        try:
            if self._mine:
                self.logout()
        except SpillwayError:
            if kind is None:
                raise
        finally:
            self.close()

    def close(self) -> None:
        """Close the connections. The token lives on."""
        self._session.close()

    # Accounts

    def login(self, user: str, password: str) -> None:
        """Log in; all further calls are made with the token.

        Raises Unauthenticated for a wrong name or password, ResourceExhausted after too many.
        """
        auth = HTTPBasicAuth(user.encode(), password.encode())  # of str, requests would make Latin-1
        self.token = self._json("POST", "/login", auth=auth, again=False, wait=False)["token"]
        self._mine = True

    def logout(self) -> None:
        """End the token."""
        self._call("DELETE", "/logout")
        self.token, self._mine = "", False

    def users(self) -> list[User]:
        """All users, by name; for admins, as are the calls that change them."""
        users: list[User] = self._json("GET", "/users")["users"]
        return users

    def add_user(self, name: str, password: str, role: Role = "viewer") -> None:
        """Make a user. Raises AlreadyExists."""
        self._post("/users", {"name": name, "password": password, "role": role})

    def change_user(self, name: str, *, password: str = "", role: Union[Role, Literal[""]] = "") -> None:
        """Change password or role, or both. A new password ends the user's tokens."""
        change = {"password": password, "role": role}
        self._call("PATCH", f"/users/{_part(name)}", json={k: v for k, v in change.items() if v})

    def remove_user(self, name: str) -> None:
        """Remove a user. Raises FailedPrecondition for the last admin."""
        self._call("DELETE", f"/users/{_part(name)}")

    def issue_token(self, *, user: str = "", scope: str = "", hours: float = 12) -> Token:
        """Make a token: scope is metrics or node:NAME, or "" for all that the user's role may."""
        body = {"user": user, "scope": scope, "hours": hours}
        token: Token = self._post("/tokens", {k: v for k, v in body.items() if v})
        return token

    # Jobs

    def submit(
        self,
        source: str,
        *,
        operation: Union[str, Mapping[str, Any]] = "",
        policy: str = "",
        deadline: Union[float, str] = 0,
        priority: int = 0,
        tags: Sequence[str] = (),
        keep: Union[float, str] = 0,
        key: str = "",
    ) -> Job:
        """Submit a job, and return at once.

        source is a folder with an input_dir, or a file in one, as upload and folder tell
        it. operation is as in "blur:kernel=7", or {"name": …, "params": {…}}. deadline and
        keep are seconds, or text as in "10m". The same key again is the same job.
        """
        body = {"source": source, "operation": operation, "policy": policy, "deadline": deadline, "priority": priority, "tags": list(tags), "keep": keep}
        job: Job = self._post("/jobs", {k: v for k, v in body.items() if v}, key)
        return job

    def jobs(self, *, state: Sequence[str] = (), order: Literal["newest", "oldest"] = "newest", limit: int = 100) -> Iterator[Job]:
        """All jobs, or those in the states; limit is the size of a page."""
        return self._pages("/jobs", "jobs", {"state": ",".join(state), "order": order, "limit": limit})

    def job(self, id: str) -> Job:
        """A job with its inputs, and the tasks that are worth a look. Raises NotFound."""
        job: Job = self._json("GET", f"/jobs/{_part(id)}")
        return job

    def tasks(self, id: str, *, state: Sequence[str] = (), limit: int = 100) -> Iterator[Task]:
        """The tasks of a job with their attempts, by index."""
        return self._pages(f"/jobs/{_part(id)}/tasks", "tasks", {"state": ",".join(state), "limit": limit})

    def steps(self, id: str, after: int = -1) -> list[dict[str, Any]]:
        """What happened to a job behind the step of that number, as far as it is remembered."""
        steps: list[dict[str, Any]] = self._json("GET", f"/jobs/{_part(id)}/steps", params={"after": after})["steps"]
        return steps

    def cancel(self, id: str) -> Job:
        """End a job; what runs is told to stop."""
        job: Job = self._post(f"/jobs/{_part(id)}/cancel")
        return job

    def retry(self, id: str) -> Job:
        """Run what an ended job has not done."""
        job: Job = self._post(f"/jobs/{_part(id)}/retry")
        return job

    def wait(self, id: str, timeout: Optional[float] = None) -> Job:
        """Wait until a job has ended. Raises DeadlineExceeded after timeout seconds."""

        def ended() -> Optional[Job]:
            job = self.job(id)
            return job if job["state"] in ("succeeded", "failed", "cancelled") else None

        return _until(ended, timeout, f"job {id} has not ended")

    # Nodes

    def nodes(self) -> list[Node]:
        """All nodes, by name."""
        nodes: list[Node] = self._json("GET", "/nodes")["nodes"]
        return nodes

    def node(self, name: str) -> Node:
        """One node. Raises NotFound."""
        node: Node = self._json("GET", f"/nodes/{_part(name)}")
        return node

    def node_log(self, name: str, lines: int = 20) -> list[str]:
        """The end of a node's log. Raises Unavailable."""
        log: list[str] = self._json("GET", f"/nodes/{_part(name)}/log", params={"lines": lines})["lines"]
        return log

    def drain(self, name: str) -> Node:
        """Let a node finish what it has, and send it nothing new."""
        node: Node = self._post(f"/nodes/{_part(name)}/drain")
        return node

    def undrain(self, name: str) -> Node:
        """Let a node take work again."""
        node: Node = self._json("DELETE", f"/nodes/{_part(name)}/drain")
        return node

    def operations(self) -> list[dict[str, Any]]:
        """What the nodes can do, with every parameter."""
        operations: list[dict[str, Any]] = self._json("GET", "/operations")["operations"]
        return operations

    def policies(self) -> list[dict[str, Any]]:
        """The ways to choose nodes, with every parameter."""
        policies: list[dict[str, Any]] = self._json("GET", "/policies")["policies"]
        return policies

    # Workloads and images

    def status(self) -> dict[str, Any]:
        """system_name, server_time and active_workloads."""
        status: dict[str, Any] = self._json("GET", "/status")
        return status

    def create_workload(self, filter: str = "grayscale", name: str = "", *, key: str = "") -> Workload:
        """Make a workload, whose images will be filtered as they come."""
        workload: Workload = self._post("/workloads", {"filter": filter, **({"workload_name": name} if name else {})}, key)
        return workload

    def workloads(self) -> Iterator[Workload]:
        """All workloads, by id."""
        return self._pages("/workloads", "workloads", {})

    def workload(self, id: int) -> Workload:
        """One workload. Raises NotFound."""
        workload: Workload = self._json("GET", f"/workloads/{id:d}")
        return workload

    def rename_workload(self, id: int, name: str) -> Workload:
        """Give a workload another name."""
        workload: Workload = self._json("PATCH", f"/workloads/{id:d}", json={"workload_name": name})
        return workload

    def cancel_workload(self, id: int) -> Workload:
        """End the work on what is not filtered yet."""
        workload: Workload = self._post(f"/workloads/{id:d}/cancel")
        return workload

    def delete_workload(self, id: int) -> None:
        """Delete a workload with all its files."""
        self._call("DELETE", f"/workloads/{id:d}")

    def images(self, workload: int) -> Iterator[dict[str, Any]]:
        """image_id and state of all images of a workload, and why those failed that did."""
        return self._pages(f"/workloads/{workload:d}/images", "images", {})

    def upload_image(
        self, workload: int, image: Union[FilePath, bytes], name: str = "image", *, type: ImageType = "original", twin_of: Optional[int] = None
    ) -> Image:
        """Upload a picture, a file or its bytes. It is processed by itself.

        One of the type filtered takes the place of what would be made of the image twin_of.
        """
        fields = {"workload_id": str(workload), "type": type, **({} if twin_of is None else {"image_id": str(twin_of)})}
        kept: Image = self._send_form("/images", image, name, fields)
        return kept

    def image(self, workload: int, id: int, type: ImageType = "filtered") -> bytes:
        """The bytes of an image; where it is filtered soon, waits for a few seconds.

        Raises NotFound, and the reason of an image that could not be filtered.
        """
        content: bytes = self._call("GET", f"/images/{id:d}", params={"workload_id": workload, "type": type}).content
        return content

    def download_image(self, workload: int, id: int, to: FilePath, type: ImageType = "filtered") -> int:
        """Download an image to a file. Returns its size in bytes."""
        return self._download(f"/images/{id:d}", to, {"workload_id": workload, "type": type})

    def download_workload(self, id: int, to: FilePath) -> int:
        """Download the filtered images as a zip. Returns its size in bytes."""
        return self._download(f"/workloads/{id:d}/zip", to)

    def wait_workload(self, id: int, timeout: Optional[float] = None) -> Workload:
        """Wait until all that was uploaded is filtered, or has failed."""

        def done() -> Optional[Workload]:
            workload = self.workload(id)
            return workload if workload["status"] == "completed" else None

        return _until(done, timeout, f"workload {id} is not completed")

    # Music

    def add_music(self, song: Union[FilePath, bytes], name: str = "song") -> Song:
        """Upload a song, a file or its bytes."""
        kept: Song = self._send_form("/music", song, name, {})
        return kept

    def music(self) -> list[Song]:
        """All songs, by id."""
        songs: list[Song] = self._json("GET", "/music")
        return songs

    def choose_tracks(self, music: int, tracks: Iterable[int], *, key: str = "") -> Progress:
        """Have a song taken apart, and the tracks of these ids mixed. Raises NotFound."""
        progress: Progress = self._post(f"/music/{music:d}", list(tracks), key)
        return progress

    def music_progress(self, music: int) -> Progress:
        """How far a song is."""
        progress: Progress = self._json("GET", f"/music/{music:d}")
        return progress

    def wait_music(self, music: int, timeout: Optional[float] = None) -> Progress:
        """Wait for the mix of a song, or the error that it ended with."""

        def done() -> Optional[Progress]:
            progress = self.music_progress(music)
            return progress if progress["final"] or progress.get("error") else None

        return _until(done, timeout, f"music {music} is not mixed")

    def download_track(self, url: str, to: FilePath) -> int:
        """Download a track or a mix, by the URL that the progress has."""
        return self._download(url, to)

    def music_jobs(self) -> list[int]:
        """The ids of the works on songs."""
        ids: list[int] = self._json("GET", "/job")
        return ids

    def music_job(self, id: int) -> dict[str, Any]:
        """job_id, size, time, music_id and track_id of a work on a song."""
        work: dict[str, Any] = self._json("GET", f"/job/{id:d}")
        return work

    def reset_music(self) -> None:
        """Cancel the work on all songs, and remove them; for admins."""
        self._post("/reset")

    # Files

    def folders(self) -> Iterator[str]:
        """The names of all folders."""
        return self._pages("/files", "folders", {})

    def files(self, folder: str) -> Iterator[File]:
        """The files of a folder, those of input_dir first. Raises NotFound."""
        return self._pages(f"/files/{_part(folder)}", "files", {})

    def source(self, folder: str) -> str:
        """What submit takes as the source for a folder. Raises NotFound."""
        source: str = self._json("GET", f"/files/{_part(folder)}", params={"limit": 1})["source"]
        return source

    def upload(
        self,
        folder: str,
        path: FilePath,
        name: str = "",
        *,
        overwrite: bool = False,
        url: str = "",
        begun: Optional[Callable[[str], None]] = None,
        progress: Optional[Callable[[int, int], None]] = None,
    ) -> str:
        """Upload a file of any size to the input_dir of a folder; returns the folder's source.

        It goes on where it broke off (the tus protocol), and the server compares the
        SHA-256 in the end. begun is told the upload's URL, with which another process can
        go on after this one has died; progress is told the bytes sent, and those of all.
        Raises AlreadyExists unless overwrite, ResourceExhausted when there is no room.
        """
        name = name or os.path.basename(os.fspath(path))
        place = f"/files/{_part(folder)}/input_dir/{_part(name)}"
        with open(path, "rb") as f:
            size, before = os.fstat(f.fileno()).st_size, self._tag(place) if overwrite else ""
            resumed = url != ""
            if not resumed:
                about = {"folder": folder, "filename": name, "sha256": _sha256(f), "overwrite": "true" if overwrite else ""}
                meta = ",".join(f"{k} {base64.b64encode(v.encode()).decode()}" for k, v in about.items() if v)
                made = self._call("POST", "/files/uploads", headers={**_TUS, "Upload-Length": str(size), "Upload-Metadata": meta}, again=False)
                url = urljoin(self.url + "/", made.headers["Location"])
                if begun:
                    begun(url)
            try:
                if resumed or size:
                    self._send_rest(url, _Rest(f, size, progress), resumed)
            except _Forgotten as e:
                # It is whole, and only the answer was lost; or its sum was another.
                if self._tag(place) in ("", before):
                    raise Unavailable("the upload is lost", hint="upload it again") from e
        return self.source(folder)

    def uploads(self) -> list[dict[str, Any]]:
        """Your uploads that may go on."""
        uploads: list[dict[str, Any]] = self._json("GET", "/files/uploads")["uploads"]
        return uploads

    def end_upload(self, url: str) -> None:
        """End an upload that is not whole, and forget what has come."""
        self._call("DELETE", url, headers=_TUS)

    def download_file(self, folder: str, name: str, to: FilePath, dir: Dir = "output_dir") -> int:
        """Download a file; it goes on where it broke off. Returns its size in bytes."""
        return self._download(f"/files/{_part(folder)}/{dir}/{_part(name)}", to)

    def download_folder(self, folder: str, dir: Dir, to: FilePath) -> int:
        """Download a directory of a folder as a zip. Returns its size in bytes."""
        return self._download(f"/files/{_part(folder)}/{dir}.zip", to)

    def delete_file(self, folder: str, name: str, dir: Dir = "input_dir") -> None:
        """Remove a file. Raises NotFound."""
        self._call("DELETE", f"/files/{_part(folder)}/{dir}/{_part(name)}")

    def delete_folder(self, folder: str) -> None:
        """Remove a folder with all its files. Raises NotFound."""
        self._call("DELETE", f"/files/{_part(folder)}")

    # Events

    def job_events(self, id: str, last_event_id: str = "") -> Iterator[Event]:
        """What happens to a job, until its end."""
        return self.events(f"/jobs/{_part(id)}/events", last_event_id)

    def jobs_events(self, last_event_id: str = "") -> Iterator[Event]:
        """What happens to all jobs, without end."""
        return self.events("/jobs/events", last_event_id)

    def nodes_events(self, last_event_id: str = "") -> Iterator[Event]:
        """What happens to the nodes, without end."""
        return self.events("/nodes/events", last_event_id)

    def log_events(self, last_event_id: str = "") -> Iterator[Event]:
        """The lines of the server's log, without end; for admins."""
        return self.events("/log/events", last_event_id)

    def events(self, path: str, last_event_id: str = "") -> Iterator[Event]:
        """The events of a stream; where it breaks off, it goes on behind the last one heard.

        Where events were lost meanwhile, there is one of the kind reset, and then how
        things stand. Raises Unavailable once the server could not be reached for patience.
        """
        reader = _Events(last_event_id)
        down: Optional[float] = None  # since when
        while True:
            headers = {"Accept": "text/event-stream", **({"Last-Event-ID": reader.last} if reader.last else {})}
            try:
                with self._send("GET", path, headers=headers, stream=True) as answer:
                    if answer.status_code == 204:
                        return
                    if answer.status_code >= 400 and answer.status_code not in _BUSY:
                        raise _error(answer)
                    # One chunk is what the server sent at once; without chunks, a proxy decides.
                    size = None if answer.headers.get("Transfer-Encoding") == "chunked" else 1
                    for block in answer.iter_content(size) if answer.status_code == 200 else ():
                        down = None
                        for event in reader.feed(block):
                            yield event
                            if event.kind == "end":
                                return
            except requests.RequestException:
                pass  # it is over as is one that ends well
            down = down or time.monotonic()
            if time.monotonic() - down > self.patience:
                raise Unavailable("the stream of events broke off, and does not go on", hint="is the server there?")
            reader.broken()
            time.sleep(reader.pause)

    # The server itself

    def healthy(self) -> bool:
        """Whether the server lives; no token is needed."""
        return self._is_ok("/healthz")

    def ready(self) -> bool:
        """Whether the server takes jobs; no token is needed."""
        return self._is_ok("/readyz")

    def log(self, lines: int = 100) -> list[dict[str, Any]]:
        """The latest lines of the server's log, oldest first; for admins."""
        log: list[dict[str, Any]] = self._json("GET", "/log", params={"lines": lines})["lines"]
        return log

    def metrics(self) -> str:
        """The server's figures, as Prometheus reads them."""
        return self._call("GET", "/metrics").text

    def openapi(self) -> dict[str, Any]:
        """The description of all calls."""
        description: dict[str, Any] = self._json("GET", "/openapi.json")
        return description

    # How calls are made

    def _is_ok(self, path: str) -> bool:
        try:
            return self._send("GET", path).status_code == 200
        except requests.RequestException:
            return False

    def _json(self, method: str, path: str, **more: Any) -> Any:
        return self._call(method, path, **more).json()

    def _post(self, path: str, body: Any = None, key: str = "") -> Any:
        """POST under a key, so that it is done once however often it is sent."""
        more = {} if body is None else {"json": body}
        answer = self._call("POST", path, headers={"Idempotency-Key": key or str(uuid.uuid4())}, **more)
        return answer.json() if answer.content else None

    def _pages(self, path: str, field: str, params: Mapping[str, Any]) -> Iterator[Any]:
        cursor = ""
        while True:
            page = self._json("GET", path, params={k: v for k, v in {**params, "cursor": cursor}.items() if v})
            yield from page[field]
            cursor = page.get("next_cursor", "")
            if not cursor:
                return

    def _send_form(self, path: str, file: Union[FilePath, bytes], name: str, fields: Mapping[str, str]) -> Any:
        """POST a file in a form with parts, which is read as it is sent."""
        if isinstance(file, bytes):
            form = _Form(file, name, fields)
            return self._json("POST", path, data=form, headers={"Content-Type": form.kind}, again=False)
        with open(file, "rb") as f:
            form = _Form(f, os.path.basename(os.fspath(file)), fields)
            return self._json("POST", path, data=form, headers={"Content-Type": form.kind}, again=False)

    def _tag(self, path: str) -> str:
        """Tells one content of a file from another; "" where there is no such file."""
        try:
            return self._call("HEAD", path).headers.get("ETag", "")
        except NotFound:
            return ""

    def _send_rest(self, url: str, body: _Rest, broken: bool) -> None:
        """Send what an upload still lacks, until it is whole. broken: some may have come."""
        pauses, at, sent = _Pauses(self), 0, 0
        silent = self.timeout[1] + body.size / 50e6  # the server reads it all again for its sum
        while True:
            if broken:
                try:
                    at, was = int(self._call("HEAD", url, headers=_TUS).headers["Upload-Offset"]), at
                except NotFound as e:
                    raise _Forgotten(*e.args) if sent == body.size else e
                if at > body.size:
                    raise InvalidArgument("the upload has more bytes than the file", hint="is it another file's?")
                if at > was:
                    pauses = _Pauses(self)  # it goes on, however often it breaks
            body.seek(at)
            headers = {**_TUS, "Upload-Offset": str(at), "Content-Type": "application/offset+octet-stream"}
            try:
                answer = self._send("PATCH", url, data=body, headers=headers, timeout=(self.timeout[0], silent))
            except requests.RequestException as e:
                broken, sent = True, body.at
                pauses.next(_lost(e))
                continue
            if answer.status_code < 400:
                return
            error = _error(answer)
            # 409: more has come than is known here.
            if answer.status_code not in (*_BUSY, 409) or answer.status_code == 409 and at == body.size:
                raise error
            broken, sent = True, body.at
            pauses.next(error)

    def _download(self, path: str, to: FilePath, params: Optional[Mapping[str, Any]] = None) -> int:
        """Write an answer to a file, which is there whole or not at all."""
        directory, name = os.path.split(os.path.abspath(to))
        handle, hidden = tempfile.mkstemp(dir=directory, prefix="." + name[:100])
        try:
            with open(handle, "wb") as f:
                self._receive(path, f, params)
                f.flush()
                os.fsync(f.fileno())
                size = f.tell()
            os.chmod(hidden, 0o666 & ~_umask())
            os.replace(hidden, to)
        except BaseException:
            os.unlink(hidden)
            raise
        return size

    def _receive(self, path: str, f: IO[bytes], params: Optional[Mapping[str, Any]]) -> None:
        """Write an answer to f, as a whole, however often its connection breaks."""
        pauses, tag = _Pauses(self), ""
        while True:
            headers = {"Range": f"bytes={f.tell()}-", "If-Range": tag} if tag else {}
            with self._call("GET", path, params=params, headers=headers, stream=True) as answer:
                if answer.status_code != 206:  # all of it, from the start
                    f.seek(0)
                    f.truncate()
                tag = answer.headers.get("ETag", "")
                begin, want = f.tell(), answer.headers.get("Content-Length")
                lost: SpillwayError = Unavailable("the answer ends early")
                try:
                    for block in answer.iter_content(1 << 18):
                        f.write(block)
                    if want is None or f.tell() - begin == int(want):
                        return
                except requests.RequestException as e:
                    lost = _lost(e)
            if tag and f.tell() > begin:
                pauses = _Pauses(self)  # it goes on, however often it breaks
            pauses.next(lost)

    def _call(self, method: str, path: str, *, again: bool = True, wait: bool = True, **more: Any) -> requests.Response:
        """Make a call, again if need be.

        again: it may be made twice. wait: do so while the server is busy.
        """
        pauses, unsure = _Pauses(self), False
        while True:
            try:
                answer = self._send(method, path, **more)
            except requests.RequestException as e:
                unsure = unsure or not _never_sent(e)
                if unsure and not again:
                    raise _lost(e) from e
                pauses.next(_lost(e))
                continue
            if answer.status_code < 400:
                return answer
            error = _error(answer)
            answer.close()
            if unsure and method == "DELETE" and answer.status_code in (401, 404):
                return answer  # the first one did it, and its answer was lost
            refused = answer.status_code in (429, 503) or answer.status_code == 409 and error.retry_after is not None
            if not (wait and refused or again and answer.status_code in _BUSY):
                raise error
            pauses.next(error)

    def _send(self, method: str, path: str, **more: Any) -> requests.Response:
        """Make a call once."""
        url = path if path.startswith(("http://", "https://")) else self.url + path
        if not url.startswith(self.url + "/"):
            raise InvalidArgument(f"{url} is not of this server", hint="the token is for " + self.url)
        body = more.get("data")
        if isinstance(body, _Form):
            body.rewind()
        more.setdefault("auth", _Bearer(self.token))
        more.setdefault("timeout", self.timeout)
        return self._session.request(method, url, allow_redirects=False, **more)


_TUS = {"Tus-Resumable": "1.0.0"}

# Statuses of a server, or of a proxy before it, that may be gone the next time; 423: the
# call before still holds the upload.
_BUSY = (423, 429, 502, 503, 504)


class _Bearer(AuthBase):
    """The token. With it requests leaves ~/.netrc alone, which would replace it."""

    def __init__(self, token: str) -> None:
        self.token = token

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        if self.token:
            r.headers["Authorization"] = "Bearer " + self.token
        return r


class _Pauses:
    """Waits between tries: as long as the server said, else ever longer, with jitter."""

    def __init__(self, client: Client) -> None:
        self.left, self.most, self.count = client.patience, client.retries, 0

    def next(self, error: Exception) -> None:
        """Wait before the next try, or raise why there is none."""
        wait = getattr(error, "retry_after", None)
        if wait is None:
            wait = random.uniform(0.5, 1) * 0.2 * 2**self.count
        self.count += 1
        self.left -= wait
        if self.count > self.most or self.left < 0:
            raise error
        time.sleep(wait)


class _Rest:
    """The rest of a file, as a body that tells how far it is."""

    def __init__(self, f: IO[bytes], size: int, progress: Optional[Callable[[int, int], None]]) -> None:
        self.f, self.size, self.progress = f, size, progress
        self.at = 0

    def seek(self, at: int) -> None:
        self.at = self.f.seek(at)

    def __len__(self) -> int:
        return self.size - self.at

    def __iter__(self) -> Iterator[bytes]:
        while block := self.read():
            yield block

    def read(self, n: int = -1) -> bytes:
        block = self.f.read(min(1 << 16, self.size - self.at))  # more than n, for speed
        self.at += len(block)
        if block and self.progress:
            self.progress(self.at, self.size)
        return block


class _Form:
    """A form with parts, its fields before its file, which is not held in memory."""

    def __init__(self, file: Union[IO[bytes], bytes], name: str, fields: Mapping[str, str]) -> None:
        bound = uuid.uuid4().hex
        self.kind = "multipart/form-data; boundary=" + bound
        safe = name.replace("\\", "_").replace('"', "%22").replace("\r", "_").replace("\n", "_")
        head = "".join(f'--{bound}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items())
        head += f'--{bound}\r\nContent-Disposition: form-data; name="file"; filename="{safe}"\r\n\r\n'
        self.head, self.file, self.tail = head.encode(), file, f"\r\n--{bound}--\r\n".encode()
        inner = len(file) if isinstance(file, bytes) else os.fstat(file.fileno()).st_size
        self.size = len(self.head) + inner + len(self.tail)
        self.rewind()

    def rewind(self) -> None:
        self.rest = self._blocks()

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[bytes]:
        return self.rest

    def read(self, n: int = -1) -> bytes:
        return next(self.rest, b"")

    def _blocks(self) -> Iterator[bytes]:
        yield self.head
        if isinstance(self.file, bytes):
            yield self.file
        else:
            self.file.seek(0)
            while block := self.file.read(1 << 16):
                yield block
        yield self.tail


class _Events:
    """Reads the events out of a stream's bytes, as browsers do."""

    def __init__(self, last: str) -> None:
        self.last = self.id = last
        self.pause = 3.0
        self.broken()

    def broken(self) -> None:
        """Forget the event that was not whole."""
        self.buffer, self.kind, self.id = b"", "", self.last
        self.data: list[str] = []

    def feed(self, block: bytes) -> Iterator[Event]:
        self.buffer += block
        *lines, self.buffer = self.buffer.split(b"\n")
        for line in lines:
            event = self._line(line.rstrip(b"\r").decode("utf-8", "replace"))
            if event:
                yield event

    def _line(self, line: str) -> Optional[Event]:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            self.kind = value
        elif name == "data":
            self.data.append(value)
        elif name == "id":
            self.id = value
        elif name == "retry" and value.isdigit():
            self.pause = int(value) / 1000
        elif not line:
            return self._whole()
        return None

    def _whole(self) -> Optional[Event]:
        self.last = self.id
        kind, data, self.kind, self.data = self.kind, self.data, "", []
        if not data:
            return None
        return Event(self.last, kind or "message", json.loads("\n".join(data)))


def _part(name: str) -> str:
    """A name as a part of a path. Of . and .. the libraries below make another path."""
    if name in ("", ".", ".."):
        raise InvalidArgument(f"{name!r} is no name")
    return quote(name, safe="")


def _until(ask: Callable[[], Optional[T]], timeout: Optional[float], words: str) -> T:
    end = None if timeout is None else time.monotonic() + timeout
    pause = 0.05
    while (found := ask()) is None:
        if end is not None and time.monotonic() + pause > end:
            raise DeadlineExceeded(f"{words} after {timeout} s", hint="wait longer")
        time.sleep(pause)
        pause = min(2 * pause, 2)
    return found


def _never_sent(e: requests.RequestException) -> bool:
    """Whether the server cannot have heard of the call."""
    if isinstance(e, requests.ConnectTimeout):
        return True
    cause = getattr(e.args[0], "reason", None) if e.args else None
    return type(cause).__name__ == "NewConnectionError"


def _lost(e: requests.RequestException) -> SpillwayError:
    if isinstance(e, requests.Timeout):
        return DeadlineExceeded("the server did not answer in time")
    return Unavailable(f"the connection failed: {e}", hint="is the server there?")


def _error(answer: requests.Response) -> SpillwayError:
    """The error that an answer is."""
    body: Any = None
    try:
        body = answer.json()
    except (ValueError, requests.RequestException):
        pass  # a proxy answered, or it was a HEAD
    if not isinstance(body, dict):
        body = {}
    code = str(body.get("code") or _CODES.get(answer.status_code, "internal" if answer.status_code >= 500 else "invalid_argument"))
    wait = answer.headers.get("Retry-After", "")
    return ERRORS.get(code, SpillwayError)(
        str(body.get("error") or f"{answer.status_code} {answer.reason}"),
        code=code,
        hint=str(body.get("hint") or ""),
        status=answer.status_code,
        request_id=answer.headers.get("X-Request-Id", ""),
        retry_after=float(wait) if wait.isdigit() else None,
    )


_CODES = {401: "unauthenticated", 403: "permission_denied", 404: "not_found", 409: "already_exists", 412: "failed_precondition", 429: "resource_exhausted", 502: "unavailable", 503: "unavailable", 504: "deadline_exceeded"}


def _sha256(f: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while block := f.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
