"""Command line -> a command: the default one, hints at mistyped ones, and exit codes."""

from __future__ import annotations

import signal
import sys
import warnings
from typing import NoReturn

import click

from actspec_bench.cli.compare import compare_command
from actspec_bench.cli.data import data_command
from actspec_bench.cli.leaderboard import leaderboard_command
from actspec_bench.cli.output import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE
from actspec_bench.cli.run import run_command
from actspec_bench.cli.show import list_command, show_command
from actspec_bench.cli.spectrum import spectrum_command
from actspec_bench.errors import DataError, UsageError, nearest
from actspec_bench.version import __version__

__all__ = ["main"]


class _Commands(click.Group):
    """Runs the default suite without a command, and hints at mistyped ones."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        first = args[0] if args else ""
        if first not in ("--help", "--version") and (not first or first.startswith("-")):
            args = ["run", *args]
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self.commands:
            raise UsageError(
                f"there is no command {args[0]!r}; {nearest(args[0], [*self.commands])}"
            )
        return super().resolve_command(ctx, args)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, package_name="actspec-bench")
def cli() -> None:
    """Benchmark methods that find which units of a network act jointly.

    Without a command, the default suite runs and its board is written to results/default/.
    """


for command in (
    run_command,
    list_command,
    show_command,
    leaderboard_command,
    compare_command,
    data_command,
    spectrum_command,
):
    cli.add_command(command)


def main() -> NoReturn:
    """Run the command line; a user's mistake is one line on standard error and exit code 2."""
    warnings.showwarning = lambda message, *_args, **_kwargs: click.echo(
        f"warning: {message}", err=True
    )
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    try:
        cli.main(standalone_mode=False)
    except click.exceptions.Exit as leave:
        sys.exit(leave.exit_code)
    except click.ClickException as error:
        message = " ".join(error.format_message().split())
    except UsageError as error:
        message = str(error)
    except DataError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(EXIT_FAILED)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(EXIT_FAILED)
    else:
        sys.exit(0)
    click.echo(f"error: {message}", err=True)
    sys.exit(EXIT_USAGE)
