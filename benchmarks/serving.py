"""Request -> answer, from a process of its own that has one thread and is ended at a limit."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import torch

from actspec_bench.running.threads import one_thread_each

__all__ = ["Served"]

GRACE = 10.0


def _serve(connection: Connection, prepare: Callable[..., Callable[..., Any]], args: Any) -> None:
    """Answer requests until the other end closes."""
    torch.set_num_threads(1)
    answer = prepare(*args)
    connection.send("ready")
    while True:
        try:
            request = connection.recv()
        except EOFError:
            return
        connection.send(answer(*request))


class Served:
    """A process that answers one request after another, started when needed.

    Spawned, never forked: SPEX and LightGBM leave threads behind that a fork does not survive.

    Parameters
    ----------
    prepare, args
        ``prepare(*args)`` is called in the process and returns what answers a request there;
        it imports what is slow to import, so that no answer's time has that in it.
    """

    def __init__(self, prepare: Callable[..., Callable[..., Any]], *args: Any) -> None:
        self._work = (prepare, args)
        self._process: Any = None
        self._connection: Any = None
        #: Whether the process has answered a request before.
        self.warm = False

    def ask(self, *request: Any, limit: float) -> Any:
        """Return the answer to a request; the next one has a new process if this one fails.

        Raises
        ------
        TimeoutError
            There was none within ``limit`` seconds: the process was ended.
        ChildProcessError
            The process ended by itself.
        """
        try:
            if self._process is None:
                self._start()
            self._connection.send(request)
            if self._connection.poll(limit):
                answer = self._connection.recv()
                self.warm = True
                return answer
        except (EOFError, OSError):
            self._process.join(GRACE)
            code = self._process.exitcode
            self.end()
            raise ChildProcessError(f"its process ended by itself ({code})") from None
        self.end()
        raise TimeoutError(f"no result within {limit:g} s: ended")

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        with one_thread_each():
            self._process = context.Process(target=_serve, args=(theirs, *self._work), daemon=True)
            self._process.start()
        theirs.close()
        self._connection.recv()

    def end(self) -> None:
        """End the process, by force if it does not end when asked; the next request has another."""
        if self._process is None:
            return
        self._connection.close()
        self._process.join(0.2)
        if self._process.is_alive():
            self._process.kill()
            self._process.join(GRACE)
        self._process = self._connection = None
        self.warm = False
