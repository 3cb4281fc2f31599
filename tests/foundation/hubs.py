"""A model hub on this machine for a test, as Hugging Face's library asks one, and its cache filled by hand."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

REVISION = "ab" * 20


@contextmanager
def hub(files: Mapping[str, bytes], broken: set[str], kind: str = "models") -> Iterator[str]:
    """Yields the address of a hub whose only model, or data set, is owner/name.

    It breaks the connection half way through the files in `broken`, and refuses to list them if that holds `tree`.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(is_head=True)

        def do_GET(self) -> None:
            self._answer(is_head=False)

        def _answer(self, is_head: bool) -> None:
            path = self.path.partition("?")[0]
            if path == f"/api/{kind}/owner/name/tree/{REVISION}":
                tree = [{"type": "file", "path": name, "size": len(data), "oid": sha256(data).hexdigest()[:40]}
                        for name, data in files.items()]  # fmt: skip
                if "tree" in broken:
                    self.send_error(403)
                else:
                    self._send(json.dumps(tree).encode(), {"Content-Type": "application/json"}, is_head)
                return
            place = "" if kind == "models" else f"/{kind}"
            name = path.removeprefix(f"{place}/owner/name/resolve/{REVISION}/")
            if name not in files:
                self.send_error(404)
                return
            data = files[name]
            headers = {"ETag": f'"{sha256(data).hexdigest()}"', "X-Repo-Commit": REVISION}
            self._send(data, headers, is_head, half=name in broken)

        def _send(self, data: bytes, headers: Mapping[str, str], is_head: bool, half: bool = False) -> None:
            self.send_response(200)
            for key, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(key, value)
            self.end_headers()
            if not is_head:
                self.wfile.write(data[: len(data) // 2] if half else data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def fill_cache(home: Path, files: Mapping[str, bytes], hub_id: str = "owner/name", kind: str = "models") -> Path:
    """Lays files out below HF_HOME as the library does, with links to blobs, and returns the snapshot's folder."""
    root = home / "hub" / f"{kind}--{hub_id.replace('/', '--')}"
    (root / "refs").mkdir(parents=True)
    (root / "refs/main").write_text(REVISION)
    (root / "blobs").mkdir()
    for name, data in files.items():
        blob, path = root / "blobs" / sha256(data).hexdigest(), root / "snapshots" / REVISION / name
        blob.write_bytes(data)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(blob)
    return root / "snapshots" / REVISION
