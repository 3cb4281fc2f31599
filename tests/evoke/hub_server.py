"""A stand-in of the Hugging Face Hub's HTTP API: repositories in memory, files taken as Git LFS objects or inline."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "hf_of_the_test"


class Hub(ThreadingHTTPServer):
    """Repositories by kind and name, each the bytes of its files; `status` is the answer to whoever creates one."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.objects: dict[str, bytes] = {}
        self.status = 200
        self.num_requests = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def running() -> Iterator[Hub]:
    """Yield a hub that answers until the block ends."""
    hub = Hub()
    thread = threading.Thread(target=hub.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()


class Handler(BaseHTTPRequestHandler):
    """Answer as the Hub does what `HfApi.create_repo` and `create_commit` ask."""

    server: Hub
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.server.num_requests += 1
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = self.path.partition("?")[0]
        if self.headers.get("Authorization") != f"Bearer {TOKEN}" and path != "/api/validate-yaml":
            return self.answer(401, {"error": "Invalid credentials in Authorization header"})
        if path == "/api/repos/create":
            return self.create(json.loads(data))
        if path == "/api/validate-yaml":
            return self.answer(200, {"errors": [], "warnings": []})
        if "/preupload/" in path:
            files = [{"path": file["path"], "shouldIgnore": False, "uploadMode": self.mode(file["path"])}
                     for file in json.loads(data)["files"]]  # fmt: skip
            return self.answer(200, {"files": files})
        if path.endswith("/info/lfs/objects/batch"):
            return self.answer(
                200, {"transfer": "basic", "objects": [self.upload(o) for o in json.loads(data)["objects"]]}
            )
        assert "/commit/" in path, path
        return self.commit(path, data)

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        assert hashlib.sha256(data).hexdigest() == self.path.rpartition("/")[2]
        self.server.objects[self.path.rpartition("/")[2]] = data
        self.answer(200, {})

    def create(self, asked: dict[str, Any]) -> None:
        name = f"{asked.get('type') or 'model'}s/{asked['organization']}/{asked['name']}"
        if self.server.status != 200:
            return self.answer(self.server.status, {"error": "no"})
        status = 409 if name in self.server.repositories else 200
        self.server.repositories.setdefault(name, {})
        return self.answer(status, {"url": f"{self.server.address}/{name.removeprefix('models/')}", "error": "exists"})

    def commit(self, path: str, data: bytes) -> None:
        name = path.removeprefix("/api/").partition("/commit/")[0]
        files = self.server.repositories[name]
        for line in (json.loads(line) for line in data.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.server.objects[value["oid"]]
        self.answer(
            200, {"commitUrl": f"{self.server.address}/{name.removeprefix('models/')}/commit/1", "commitOid": "1" * 40}
        )

    @staticmethod
    def mode(path: str) -> str:
        return "regular" if path.endswith((".md", ".json")) else "lfs"

    def upload(self, thing: dict[str, Any]) -> dict[str, Any]:
        address = f"{self.server.address}/objects/{thing['oid']}"
        return {"oid": thing["oid"], "size": thing["size"], "actions": {"upload": {"href": address, "header": {}}}}

    def answer(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Write nothing."""
