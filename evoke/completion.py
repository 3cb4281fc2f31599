"""Define `evoke completion SHELL`, and what the shell completes: emotions, models, stages and presets.

Nothing heavy is imported here, because a shell waits for the answer.
"""

import re
from collections.abc import Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem, get_completion_class

VARIABLE = "_EVOKE_COMPLETE"  # by which click knows that a shell asks
MODELS, PRESETS, PIPELINE = Path("models"), Path("presets"), (Path("dvc.yaml"), Path("dvc.lock"))
STAGE = re.compile(r"^  ([a-z]\w*(?:@\w+)?):$", re.MULTILINE)


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script by which SHELL completes the commands, options, emotions, models and stages of evoke.

    \b
    eval "$(evoke completion bash)"        in ~/.bashrc
    eval "$(evoke completion zsh)"         in ~/.zshrc
    evoke completion fish | source         in ~/.config/fish/config.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(click.Command("evoke"), {}, "evoke", VARIABLE).source())


def emotions(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the emotions that begin so and have not been given yet."""
    from pipeline.emotion_set import EMOTIONS

    given = context.params.get("emotions") or {}
    return _items((emotion for emotion in EMOTIONS if emotion not in given), incomplete)


def models(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the trained models in models/ that begin so, or the shell's own folders if there are none."""
    folders = (file.parent.as_posix() for file in sorted(MODELS.glob("*/meta.json")))
    return _items(folders, incomplete) or [CompletionItem(incomplete, type="dir")]


def targets(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the stages of dvc.yaml and their items in dvc.lock that begin so."""
    texts = [file.read_text(encoding="utf-8") for file in PIPELINE if file.is_file()]
    return _items(sorted(name for text in texts for name in STAGE.findall(text)), incomplete)


def presets(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the presets that begin so."""
    return _items(["miniature", *sorted(file.stem for file in PRESETS.glob("*.yaml"))], incomplete)


def _items(words: Iterable[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(word) for word in dict.fromkeys(words) if word.startswith(incomplete)]
