"""The commands, and what becomes of errors: a message and a hint on standard error, an exit code, and no traceback."""

from __future__ import annotations

import io
import logging
import sys
import traceback
from typing import Annotated, NoReturn

import typer

from cartbrook.cli import check, contracts, demo, doctor, quality, quarantine, query, reading, running, workspace
from cartbrook.cli.output import note, say
from cartbrook.config import command_line
from cartbrook.errors import CartbrookError

_EPILOG = "Exit codes: 0 all is well, 1 something needs a person (failed, refused, rejected, held, waiting), 2 wrong usage."

app = typer.Typer(
    name="cartbrook",
    help="Take batches of shop data from a trigger to history, facts and KPIs, with every record accounted for.",
    epilog=_EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_debug = False
_INTERRUPTED = 130


def _say_version(wanted: bool) -> None:
    if wanted:
        from cartbrook import __version__

        say(f"cartbrook {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", envvar="CARTBROOK_DEBUG", help="Show the traceback of an error.")] = False,
    engine: Annotated[
        str | None, typer.Option("--engine", metavar="NAME", help="sail or spark, in the place of the setting.")
    ] = None,
    master: Annotated[
        str | None,
        typer.Option("--master", metavar="URL", help="Of engine spark: local\\[*], spark://host:port or sc://host:port."),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    global _debug  # noqa: PLW0603 - set once, by the one call of a process
    del version
    _debug = debug
    command_line(engine=engine or ("spark" if master else None), master=master)
    if debug:
        logging.basicConfig(format="%(name)s: %(message)s")
        logging.getLogger("cartbrook").setLevel(logging.DEBUG)


app.command()(workspace.init)
app.command()(workspace.submit)
app.command()(running.run)
app.command()(reading.status)
app.command()(reading.batches)
app.command()(reading.show)
app.command()(quality.quality)
app.add_typer(quarantine.app, name="quarantine")
_contracts = typer.Typer(help="What the files of each domain must hold: checked, shown, compared.", no_args_is_help=True)
_contracts.command("lint")(contracts.lint)
_contracts.command("show")(contracts.show)
_contracts.command("diff")(contracts.diff)
app.add_typer(_contracts, name="contracts")
app.command()(check.check)
app.command()(running.undo)
app.command()(running.reprocess)
app.command()(workspace.supersede)
app.command()(running.preview)
app.command()(running.rebuild)
app.command()(running.maintain)
app.command()(running.audit)
app.command()(query.query)
app.command()(workspace.generate)
app.command()(demo.demo)
app.command()(doctor.doctor)


def main() -> NoReturn:
    """The `cartbrook` command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name that the terminal cannot show must not end a run
    sys.exit(call(sys.argv[1:]))


def call(words: list[str]) -> int:
    """Run a command given as words; returns its exit code."""
    try:
        app(words, prog_name="cartbrook")
    except SystemExit as end:
        if end.code == _INTERRUPTED:
            note("Interrupted. What was not published counts for nothing; the next `cartbrook run` goes on.")
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except CartbrookError as error:
        _tell_traceback()
        note(f"Error: {error}")
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - the last place that can keep a traceback from a user
        _tell_traceback()
        # Not its text: what an engine says may quote customers' data.
        note(f"Error: {type(error).__name__ if _debug else _explained(error)}")
        if not _debug:
            note("  This is not an error that cartbrook expects. The traceback: cartbrook --debug COMMAND")
        return 1
    return 0


def _explained(error: Exception) -> str:
    try:
        from cartbrook.runner import explained
    except ImportError:  # an installation without its engine
        return type(error).__name__
    return explained(error)


def _tell_traceback() -> None:
    if _debug:
        traceback.print_exc()
