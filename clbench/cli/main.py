"""``clbench``: the group of commands. A command's module is imported only when it is called, so help is instant."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from clbench import __version__
from clbench.console import printable
from clbench.errors import UserError, nearest

# name -> (module, one line of help), so that the list of commands imports none of them.
COMMANDS = {
    "run": ("clbench.cli.run", "Compress a model, take it through a stream, write the record."),
    "compress": ("clbench.cli.compress", "Make a compressed model and write it as a checkpoint folder."),
    "show": ("clbench.cli.show", "Show a run's record again: matrix, figures, cost."),
    "sweep": ("clbench.cli.sweep", "Many runs from one file: recipes x streams x strategies x seeds."),
    "compare": ("clbench.cli.compare", "Models side by side: curves, figures, a paired test of every two."),
    "submit": ("clbench.cli.submit", "Pack a run's records into a submission to the leaderboard."),
    "verify": ("clbench.cli.verify", "Check submissions: figures, test pairs, recipe, size; or run them again."),
    "leaderboard": ("clbench.cli.leaderboard", "Build the board from its submissions, show it, serve it."),
    "streams": ("clbench.cli.streams", "The streams and their domains: sizes, licences, baselines."),
    "models": ("clbench.cli.models", "The recipes: depth, parameters, steps, source; one of them drawn."),
    "pretrain": ("clbench.cli.pretrain", "Make a small encoder from plain text, with a teacher or without."),
    "schema": ("clbench.cli.schema", "The JSON schema of a record, a submission, a recipe, a stream."),
    "reproduce": ("clbench.cli.reproduce", "A whole study: its runs, its table, what its numbers decide."),
}


class LazyGroup(click.Group):
    """A group that knows its commands' names and help without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[cmd_name][0]).command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise UserError(f"no command is called '{args[0]}'; {nearest(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

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
    try:
        cli.main(args=arguments, prog_name="clbench", standalone_mode=False)
    except UserError as error:
        sys.exit(_say(str(error), 2))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(_say("stopped; the same command goes on from here.", 130))
    except OSError as error:
        # A full disk or a folder without rights is the user's to mend as well, wherever it is met.
        if error.errno is None:
            raise
        where = f" at {error.filename}" if error.filename else ""
        sys.exit(_say(f"the system refused{where}: {error.strerror}.", 2))


def _say(sentence: str, code: int) -> int:
    # What is wrong may quote a stranger's file, of any length and with terminal escapes in it.
    click.echo(f"clbench: {printable(sentence)}", err=True)
    return code


if __name__ == "__main__":
    main()
