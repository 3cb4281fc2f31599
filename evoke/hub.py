"""Send what a command has written to the Hugging Face Hub by `--push-to-hub ORG/NAME`, or tell what would be sent."""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

if TYPE_CHECKING:
    pass

OFFLINE = os.environ.get("HF_HUB_OFFLINE", "") not in ("", "0")  # as the user set it, before models forbid downloads
NAME = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
UNITS = ("B", "kB", "MB", "GB", "TB")
REFUSALS = {
    401: "the Hub does not accept the token; make one at its page of access tokens, and `hf auth login`",
    403: "the token may not write there; it needs write access to repositories of this owner",
    409: "the repository exists; pass --update to add to it",
}


@dataclass(frozen=True)
class Push:
    """Where to send files, and whether they are sent at all (`yes`), to an existing repository (`update`) too."""

    name: str
    yes: bool
    private: bool
    update: bool


def push_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options to a command, which then receives `push_to_hub`, a Push or None."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def send(push: Push, kind: Literal["model", "dataset"], folder: Path, files: Sequence[Path]) -> None:
    """Send files of a folder in one commit, or only tell what would be sent. Raises ValueError, a line, if it fails."""
    sizes = {file.relative_to(folder).as_posix(): file.stat().st_size for file in sorted(files)}
    there = f"{'' if kind == 'model' else 'datasets/'}{push.name}"
    for name, size in sizes.items():
        click.echo(f"{_size(size):>9}  {name}")
    total = f"{len(sizes)} files, {_size(sum(sizes.values()))}"
    if not push.yes:
        click.echo(f"{total} would go to {there} on the Hub; nothing is sent without --yes")
        return
    if OFFLINE:
        raise ValueError("nothing was sent, because HF_HUB_OFFLINE is set; unset it and run again")
    from huggingface_hub import constants, get_token
    from huggingface_hub.errors import HfHubHTTPError, HTTPError

    constants.HF_HUB_OFFLINE = False  # models are loaded offline, and the library keeps that of its first import
    if not get_token():
        raise ValueError("nothing was sent, because there is no token; run `hf auth login`, or set HF_TOKEN")
    try:
        url = _commit(push, kind, {name: folder / name for name in sizes})
    except (HTTPError, ConnectionError, TimeoutError) as error:
        status = error.response.status_code if isinstance(error, HfHubHTTPError) and error.response is not None else 0
        reason = REFUSALS.get(status, (str(error).strip() or type(error).__name__).splitlines()[0])
        raise ValueError(f"{there} was not written: {reason}") from None
    click.echo(f"{total} sent: {url}")


def files_of(folder: Path) -> list[Path]:
    """Return all files of a folder."""
    return [path for path in folder.rglob("*") if path.is_file()]


def _commit(push: Push, kind: str, files: dict[str, Path]) -> str:
    """Create the repository, send the files in one commit and return its address."""
    from huggingface_hub import CommitOperationAdd, HfApi

    api: HfApi = HfApi(endpoint=os.environ.get("HF_ENDPOINT"), library_name="evoke")
    api.create_repo(push.name, repo_type=kind, private=push.private or None, exist_ok=push.update)
    operations = [CommitOperationAdd(name, file) for name, file in files.items()]
    commit = api.create_commit(push.name, operations, commit_message="Add files of evoke", repo_type=kind)
    return str(commit.repo_url)


def _size(size: float) -> str:
    """Return a number of bytes for people: 12 B, 3.4 MB."""
    for unit in UNITS[:-1]:
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} {UNITS[-1]}"


def _push(context: click.Context, _parameter: click.Parameter, name: str | None) -> Push | None:
    """Return where to send, from all options. Raises ValueError for what is no name, before anything is computed."""
    options: dict[str, Any] = {option: context.params.pop(option, False) for option in ("yes", "private", "update")}
    if name is None:
        if any(options.values()):
            raise ValueError("--yes, --private and --update concern --push-to-hub ORG/NAME, which is not given")
        return None
    if not NAME.fullmatch(name):
        raise ValueError(f"--push-to-hub {name!r}: wanted ORG/NAME, such as your-name/emotions")
    return Push(name, **options)


OPTIONS = (
    click.option("--yes", is_flag=True, is_eager=True, help="Send; without it, only tell what would be sent."),
    click.option("--private", is_flag=True, is_eager=True, help="Create the repository as a private one."),
    click.option("--update", is_flag=True, is_eager=True, help="Send to a repository that exists, too."),
    click.option(
        "--push-to-hub", metavar="ORG/NAME", callback=_push,
        help="Send what is written to this repository of the Hugging Face Hub; with --yes only.",
    ),
)  # fmt: skip
