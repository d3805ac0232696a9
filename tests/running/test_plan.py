"""Suites and what the command line leaves to them."""

from __future__ import annotations

import json

from command_line import run

from actspec_bench.running.suites import SUITES


def test_a_suite_that_is_named_keeps_its_budget_and_instances_for_other_tasks() -> None:
    words = ("run", "--dry-run", "--json", "--suite", "smoke", "-m", "constant")
    (cell,) = json.loads(run(*words, "-t", "planted-nothing").stdout)
    assert (cell["budget"], cell["task"]) == (2000, "planted-nothing")


def test_without_seeds_and_budget_there_are_five_instances_and_ten_thousand_rows() -> None:
    done = run("run", "--dry-run", "--json", "-t", "planted-nothing", "-m", "actspec")
    cells = json.loads(done.stdout)
    assert sorted(cell["instance"] for cell in cells) == [0, 1, 2, 3, 4]
    assert {cell["budget"] for cell in cells} == {10_000}


def test_every_suite_can_be_planned() -> None:
    for name in SUITES:
        assert json.loads(run("--dry-run", "--json", "--suite", name, "--seeds", "1").stdout)
