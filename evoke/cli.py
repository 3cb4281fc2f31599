"""Define the command `evoke` as a table of commands, each imported only when it is called, so that help stays fast."""

import difflib
import importlib
from pathlib import Path

import click
from click.shell_completion import CompletionItem

COMMANDS: dict[str, tuple[str, str]] = {
    "captions": ("evoke.captions:captions", "Export the written captions as a CSV, or import your own."),
    "completion": ("evoke.completion:completion", "Print the script by which a shell completes commands and emotions."),
    "corpus": ("evoke.corpus.command:corpus", "Add your own labelled images as a corpus; list, use or export corpora."),
    "curate": ("evoke.curate:curate", "Build a corpus of emotional images from any folder of images."),
    "dag": ("evoke.dag:dag", "Check dvc.yaml against the stages and show the graph."),
    "export": ("evoke.export.command:export", "Write an emotion as a LoRA and an embedding that other tools load."),
    "generate": ("evoke.generate:generate", "Generate images of one or several emotions with a trained model."),
    "import-emogen": (
        "evoke.foreign.command:import_emogen",
        "Convert the published files of EmoGen for use by the stages.",
    ),
    "oracle": ("evoke.oracle:oracle", "Draw any number of test images that are in no corpus."),
    "params": ("evoke.params:params", "Check all of params.yaml, or complete it and write its comments."),
    "plan": ("evoke.plan.command:plan", "Predict the images, bytes, FLOPs and hours of each stage."),
    "preset": ("evoke.preset:preset", "Set params.yaml to a preset: paper, paper-literal, full, smoke or miniature."),
    "read": ("evoke.read:read", "Classify the emotion of images and show where the model looks."),
    "report": ("evoke.report:report", "Show or open the page of all results."),
    "repro": ("evoke.repro:repro", "Run the pipeline, with independent stages in parallel."),
    "score": ("evoke.score:score", "Score any images of emotions against real images."),
    "studio": ("evoke.studio.server:studio", "Open a page to make, read and explore emotional images."),
    "study": ("evoke.study.command:study", "Ask people which method's images they prefer, and tally their answers."),
    "table": ("evoke.table:table", "Print a table of the papers beside the results of this project."),
    "validate": ("evoke.validate:validate", "Check a folder in EmoSet's layout without running the pipeline."),
}


class LazyGroup(click.Group):
    """A click group that knows the names and short help of its commands and imports a command only when it runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            if ctx.resilient_parsing:  # a shell asks for completions
                return None
            nearest = difflib.get_close_matches(cmd_name, COMMANDS, 1, 0.0)[0]
            raise click.UsageError(f"unknown command {cmd_name!r}; did you mean {nearest!r}?", ctx)
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete a command without importing any, which click itself would do for their help."""
        names = (name for name in self.list_commands(ctx) if name.startswith(incomplete))
        commands = [CompletionItem(name, help=COMMANDS[name][1]) for name in names]
        return [*commands, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])

    def invoke(self, ctx: click.Context) -> object:
        """Run a command. Errors that a user can fix become one line and exit status 1."""
        _warn_of_other_code()
        try:
            return super().invoke(ctx)
        except (ValueError, OSError) as error:
            raise click.ClickException(str(error)) from error


def _warn_of_other_code() -> None:
    """Write a line to standard error if the current folder is a checkout of this project whose code does not run.

    An installed `evoke` runs the code of the checkout that it was installed from. It never runs the code of the current
    folder instead, which may be anybody's.
    """
    own, here = Path(__file__).parent.resolve(), Path("evoke")
    if Path("evoke/cli.py").is_file() and Path("pipeline").is_dir() and here.resolve() != own:
        command = "python -m evoke"
        click.echo(f"This runs the code in {own.parent}, not that of this folder, which `{command}` runs.", err=True)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="evoke")
def main() -> None:
    """Generate and understand emotional images with one reproducible pipeline.

    `evoke repro` (or `make repro`, which also sets up) runs the pipeline; the other commands prepare, check and use it.
    """
