"""Task -> problem -> attribution: everything that a task makes and a method touches.

A task makes a `source`, of one of the `kinds` or of a layer of a network (`networks`); a method
sees it through a `problem`, whose meter counts rows, and returns an `attribution`. What the task
knows beside it (its `truth`, its `inputs`) goes with it in an `instance`.
"""

__all__ = [
    "attribution",
    "devices",
    "distinct",
    "explaining",
    "inputs",
    "instance",
    "kinds",
    "meter",
    "needs",
    "problem",
    "readouts",
    "source",
    "truth",
    "views",
]
