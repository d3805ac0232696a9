"""Command line -> what is registered: names with their summaries, and whole cards."""

from __future__ import annotations

import inspect
import json
from typing import Any

import click

from actspec_bench.cli.options import json_option, plugin_option
from actspec_bench.cli.output import plain_text, type_text
from actspec_bench.errors import UsageError, nearest
from actspec_bench.registry.plugins import load_all

__all__ = ["list_command", "show_command"]

KINDS = ("tasks", "methods", "metrics", "suites")


@click.command("list")
@click.argument("kind", required=False, metavar="[tasks|methods|metrics|suites]")
@plugin_option
@json_option
@click.option(
    "--markdown", is_flag=True, help="Print the methods' cards as a document (of methods alone)."
)
def list_command(kind: str | None, plugins: tuple[str, ...], as_json: bool, markdown: bool) -> None:
    """List tasks, methods, metrics and suites."""
    if markdown and (kind != "methods" or as_json):
        raise UsageError("--markdown is for `list methods`, without --json")
    if kind is not None and kind not in KINDS:
        raise UsageError(f"there is nothing called {kind!r} to list; {nearest(kind, list(KINDS))}")
    load_all(plugins)
    if markdown:
        from actspec_bench.registry.entries import methods
        from actspec_bench.registry.telling import methods_document

        click.echo(methods_document(entry.card for entry in methods), nl=False)
        return
    cards = {name: _cards(name) for name in KINDS if kind in (None, name)}
    if as_json:
        click.echo(json.dumps(cards, indent=1))
        return
    for name, entries in cards.items():
        if kind is None:
            click.echo(f"\n{name}" if name != "tasks" else name)
        width = max(len(entry["name"]) for entry in entries)
        for entry in entries:
            told = f"  {entry['returns']:<7}" if name == "methods" else ""
            click.echo(f"  {entry['name']:<{width}}{told}  {entry['summary']}")


@click.command("show")
@click.argument("name")
@plugin_option
@json_option
def show_command(name: str, plugins: tuple[str, ...], as_json: bool) -> None:
    """Show the card of a task, method, metric or suite."""
    from actspec_bench.registry.entries import methods, metrics, tasks

    load_all(plugins)
    for registry in (tasks, methods, metrics):
        if name in registry:
            _show_entry(registry[name], as_json=as_json)
            return
    suites = {card["name"]: card for card in _cards("suites")}
    if name not in suites:
        known = [entry.name for registry in (tasks, methods, metrics) for entry in registry]
        raise UsageError(f"there is nothing called {name!r}; {nearest(name, [*known, *suites])}")
    click.echo(json.dumps(suites[name], indent=1))


def _show_entry(entry: Any, *, as_json: bool) -> None:
    parameters = entry.schema.model_json_schema().get("properties", {})
    if as_json:
        card = {"kind": entry.kind, **entry.card.model_dump(), "parameters": parameters}
        click.echo(json.dumps(card, indent=1))
        return
    click.echo(f"{entry.kind} {entry.name}\n\n{plain_text(inspect.getdoc(entry.function) or '')}\n")
    for key, value in entry.card.model_dump().items():
        if key not in ("name", "summary") and value not in ("", None, ()):
            click.echo(f"{key:>18}: {', '.join(value) if isinstance(value, tuple) else value}")
    for key, told in parameters.items():
        click.echo(f"{'parameter':>18}: {key} = {told.get('default')!r}  ({type_text(told)})")


def _cards(kind: str) -> list[dict[str, Any]]:
    from dataclasses import asdict

    from actspec_bench.registry import entries as registry
    from actspec_bench.running.suites import SUITES

    if kind == "suites":
        return [asdict(suite) for suite in SUITES.values()]
    return [entry.card.model_dump() for entry in getattr(registry, kind)]
