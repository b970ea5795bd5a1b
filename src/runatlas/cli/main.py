"""The command ``runatlas``: subcommands are imported when they are called, so that help stays quick."""

from __future__ import annotations

import atexit
import gc
import importlib

import click

from runatlas.errors import RunAtlasError
from runatlas.process.garbage_collector import collector_paused

__all__ = ["COMMANDS", "Interruption", "main"]

COMMANDS: dict[str, tuple[str, str]] = {
    "clean": ("runatlas.cli.clean:clean", "Delete what a policy says, and tell why the rest stays."),
    "policies": ("runatlas.cli.policies:policies", "Let projects clean themselves up by policies that they hold."),
    "audit": ("runatlas.cli.audit:audit", "List who changed what, when, and by which door."),
    "undo": ("runatlas.cli.audit:undo", "Take a change back, after a look at it."),
    "report": ("runatlas.cli.report:report", "Make a report of runs as a spec asks for it, or check one."),
    "api": ("runatlas.cli.api.command:api", "Query, export and clean up runs."),
    "demo": ("runatlas.cli.demo:demo", "Train small models, record them, and show what can be done with the runs."),
    "import": ("runatlas.cli.import_:import_", "Import runs from files of other trackers."),
    "serve": ("runatlas.cli.serve:serve", "Serve a directory or a database over HTTP."),
    "ui": ("runatlas.cli.ui:ui", "Look at runs in the browser."),
    "sync": ("runatlas.cli.sync:sync", "Send what runs left on this machine."),
    "du": ("runatlas.cli.du:du", "Say how much room runs take."),
    "fsck": ("runatlas.cli.fsck:fsck", "Read all of a store, and say what is damaged."),
    "gc": ("runatlas.cli.gc:gc", "Remove what nobody needs any more."),
    "login": ("runatlas.cli.login:login", "Check an API key with its server, and keep it."),
    "logout": ("runatlas.cli.login:logout", "Forget the key that 'login' kept."),
    "verify": ("runatlas.cli.verify:verify", "Say where the data is, and who you are there."),
    "ping": ("runatlas.cli.ping:ping", "Say how long the server takes to answer."),
    "version": ("runatlas.cli.version:version", "Print the version."),
    "keys": ("runatlas.cli.keys:keys", "Make, list and revoke API keys."),
}
"""Each command's place, and its line in the help."""


class Interruption(click.ClickException):
    """Ctrl-C ended a command; what it had not done by then is not done."""

    exit_code = 130


class LazyGroup(click.Group):
    """A group whose commands are named in ``COMMANDS``; errors become one sentence and exit code 1, Ctrl-C 130."""

    def list_commands(self, _: click.Context) -> list[str]:
        """The commands' names."""
        return list(COMMANDS)

    def get_command(self, _: click.Context, name: str) -> click.Command | None:
        """Import a command."""
        if name not in COMMANDS:
            return None
        module, attribute = COMMANDS[name][0].split(":")
        try:
            with collector_paused():
                command: click.Command = getattr(importlib.import_module(module), attribute)
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] == "runatlas":
                raise
            raise click.ClickException(
                f"'runatlas {name}' needs the package {error.name}; install it with: pip install 'runatlas[all]'"
            ) from error
        return command

    def format_commands(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in sorted(COMMANDS.items())])

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; an error of ours is told in its own sentence."""
        try:
            done: object = super().invoke(ctx)
        except RunAtlasError as error:
            raise click.ClickException(str(error)) from error
        except KeyboardInterrupt:
            raise Interruption("interrupted") from None
        # To look through all that was imported for what nothing refers to takes a fifth of a short command, at its very
        # end; one that was broken off may have left something that is only closed then.
        atexit.register(gc.freeze)
        return done


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(None, "--version", package_name="runatlas", message="%(version)s")
def main() -> None:
    """Work with machine-learning experiments: query, report on, clean up and serve runs.

    Data goes to stdout, messages to stderr. Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
    """
