"""``clbench``: the group of commands. A command's module is imported only when it is called, so help is instant."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from functools import partial
from io import TextIOWrapper
from itertools import pairwise
from pathlib import Path
from typing import Any

import click

from clbench import __version__
from clbench.cli.completion import with_completion
from clbench.cli.plugins import with_plugins
from clbench.errors import UserError, first_line, nearest, printable
from clbench.runtime.console import print_line
from clbench.storage.cache import root

# name -> (module, one line of help), so that the list of commands imports none of them.
COMMANDS = {
    "run": ("clbench.cli.run", "Compress a model, take it through a stream, write the record."),
    "compress": ("clbench.cli.compress", "Make a compressed model and write it as a checkpoint folder."),
    "push": ("clbench.cli.push", "Send a run's model, or a checkpoint's folder, to the Hugging Face hub."),
    "export": ("clbench.cli.export", "Write a model as ONNX, and compare its predictions with the model's."),
    "measure": ("clbench.cli.measure", "How fast a model answers on this machine: latency, memory, energy."),
    "show": ("clbench.cli.show", "Show a run's record again: matrix, figures, cost."),
    "explain": ("clbench.cli.explain", "Why a run forgets: drift, probes, weights by layer; which examples."),
    "runs": ("clbench.cli.runs", "The runs that there are, finished or not, with their settings."),
    "sweep": ("clbench.cli.sweep", "Many runs from one file: recipes x streams x strategies x seeds."),
    "compare": ("clbench.cli.compare", "Models side by side: curves, figures, a paired test of every two."),
    "report": ("clbench.cli.report", "Runs as one HTML page: curves, matrix, figures, how to run them again."),
    "cite": ("clbench.cli.cite", "BibTeX of what runs stand on: recipe, strategy, backbone, data sets."),
    "submit": ("clbench.cli.submit", "Pack a run's records into a submission to the leaderboard."),
    "verify": ("clbench.cli.verify", "Check submissions: figures, test examples, recipe, size; or run them again."),
    "leaderboard": ("clbench.cli.leaderboard", "Build the board from its submissions, show it, serve it."),
    "streams": ("clbench.cli.streams", "The streams and their domains: sizes, licences, baselines."),
    "domains": ("clbench.cli.domains", "The data sets that streams are made of: titles, licences, sources."),
    "models": ("clbench.cli.models", "The recipes: depth, parameters, steps, source; one of them drawn."),
    "strategies": ("clbench.cli.strategies", "The strategies under which a model goes on learning."),
    "metrics": ("clbench.cli.metrics", "The figures of a life: what they are, formulas, sources."),
    "backbones": ("clbench.cli.backbones", "The encoders that everything starts from."),
    "pretrain": ("clbench.cli.pretrain", "Make a small encoder from plain text, with a teacher or without."),
    "schema": ("clbench.cli.schema", "The JSON schema of a record, a submission, a recipe, a stream."),
    "reproduce": ("clbench.cli.reproduce", "A whole study: its runs, its table, what its numbers decide."),
}
# Commands that, stopped, resume where they stood.
RESUMED = {"run", "compress", "sweep", "pretrain", "reproduce"}
# The exit code after Ctrl-C, as a shell has it.
_STOPPED = 130


class LazyGroup(click.Group):
    """A group that knows its commands' names and help without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        return with_completion(with_plugins(importlib.import_module(COMMANDS[cmd_name][0]).command))

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if ctx.resilient_parsing:  # TAB, of a line that may be wrong yet
            return super().resolve_command(ctx, args)
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise UserError(f"no command is called '{args[0]}'; {nearest(args[0], COMMANDS)}")
        _check_none_is_empty(args)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            # click would begin a new line on stderr, which --json-lines must not: it is no JSON.
            raise click.Abort from stop

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="clbench")
def cli() -> None:
    """Lifelong evaluation of compressed encoders.

    clbench run --model pkd-skip-6l --stream nli-shift
    """


def main(arguments: list[str] | None = None) -> None:
    """The console script. A user's mistake is one sentence and exit code 2; Ctrl-C is 130."""
    given = sys.argv[1:] if arguments is None else arguments
    json_lines = "--json-lines" in given
    say = partial(_say, json_lines=json_lines)
    if isinstance(sys.stdout, TextIOWrapper):  # not what a test or a notebook has put there
        sys.stdout.reconfigure(errors="replace")  # a locale may lack characters that tables are drawn with
    try:
        os.getcwd()
    except FileNotFoundError:
        # Said first: what torch's libraries make of it reads like a broken installation.
        sys.exit(say("the working directory has been removed; change to one that is there.", 2))
    try:
        cli.main(args=arguments, prog_name="clbench", standalone_mode=False)
    except UserError as error:
        sys.exit(say(str(error), 2))
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(error.exit_code)
    except click.ClickException as error:
        sys.exit(say(_misused(error), 2))
    except (click.Abort, KeyboardInterrupt) as stop:
        if isinstance(stop, click.Abort) and not json_lines:
            click.echo(err=True)  # a terminal shows ^C where it is
        sys.exit(say(f"stopped{_resumption(stop, given)}.", _STOPPED))
    except Exception as error:
        if isinstance(error, OSError) and (error.errno is not None or isinstance(error, FileNotFoundError)):
            # A full disk or a folder without rights is the user's to mend as well, wherever it is met.
            sys.exit(say(_refused(error), 2))
        if _is_stop(error):
            # Where a command that begins afresh stood then is not known here: nothing is promised of it.
            sys.exit(say(f"stopped{'' if '--fresh' in given else _resumption(KeyboardInterrupt(), given)}.", _STOPPED))
        if type(error).__name__ != "OutOfMemoryError":  # torch's, which is not imported to ask
            from clbench.schema.registry import failure

            if (told := failure(error)) is None:
                raise
            sys.exit(say(f"the plug-in {told}; called from Python it leaves the whole traceback.", 2))
        advice = "give --micro-batch auto, or a smaller training.batch_size"
        sys.exit(say(f"the GPU's memory is too small: {first_line(error)}; {advice}.", 2))


def _check_none_is_empty(words: Sequence[str]) -> None:
    """Refuse empty words of the command line, such as ``--out "$FOLDER"`` gives where the variable is not set.

    Read as a path, an empty word would be the working directory.

    Raises:
        UserError: one is empty.
    """
    for before, word in pairwise(("", *words)):
        if word.startswith("--") and word.find("=") == len(word) - 1:
            raise UserError(f"{word[:-1]} is empty; give it a value, or leave it out.")
        if not word:
            named = before if before.startswith("--") and before != "--" and "=" not in before else "an argument"
            raise UserError(f"{named} is empty; give it a value, or leave it out.")


def _is_stop(error: BaseException) -> bool:
    """Whether an error comes of Ctrl-C.

    Python 3.11 makes a RuntimeError of what is raised while a class is made, and libraries that import their parts
    late an ImportError of that.
    """
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        if isinstance(one, KeyboardInterrupt):
            return True
        seen.add(id(one))
        one = one.__cause__ or one.__context__
    return False


def _misused(error: click.ClickException) -> str:
    """What click has against the command line, in one sentence, and where its options are explained."""
    told = " ".join(error.format_message().split()).rstrip(".")
    context = getattr(error, "ctx", None)
    if isinstance(error, click.NoSuchOption) and context is not None:
        known = [
            name for parameter in context.command.get_params(context) for name in parameter.opts if name[:1] == "-"
        ]
        told = f"No such option {error.option_name} of {context.command_path}; {nearest(error.option_name, known)}"
        return told.rstrip(".?") + told[-1]
    return f"{told}; {context.command_path} --help says more." if context is not None else f"{told}."


def _resumption(stop: BaseException, given: list[str]) -> str:
    """How a stopped command is resumed: the command may have its own word for it."""
    own = " ".join(map(str, getattr(stop.__cause__, "args", ())))
    if own:
        return f"; {own}"
    command = next((word for word in given if word in COMMANDS), None)
    return "; the same command resumes from here" if command is None or command in RESUMED else ""


def _refused(error: OSError) -> str:
    """What the system has refused, and why."""
    where = str(error.filename or "")
    if isinstance(error, FileNotFoundError):
        # Libraries in Rust name the file in their sentence alone.
        where = where or str(error).partition(": ")[2] or str(error)
        if Path(where).is_relative_to(root()):
            return f"{where} is gone: the cache was removed while it was in use; the same command makes it again."
        return f"{where} does not exist, or was removed while it was in use."
    return f"the system refused{f' at {where}' if where else ''}: {error.strerror}."


def _say(sentence: str, code: int, json_lines: bool) -> int:
    # What is wrong may quote a stranger's file, of any length and with terminal escapes in it.
    told = printable(sentence)
    if json_lines:
        print_line({"kind": "stopped" if code == _STOPPED else "error", "note": told})
    else:
        click.echo(f"clbench: {told}", err=True)
    return code


if __name__ == "__main__":
    main()
