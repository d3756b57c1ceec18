"""asyncio over simulated time: coroutines of the product, and of clients, as actions of the simulator."""

import asyncio
from asyncio import events
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any

from chainnode.store.staging import StagingError
from genesis.errors import OperatorError

ABANDONED = "Task was destroyed but it is pending!"


class SimLoop(asyncio.AbstractEventLoop):
    """As much of a loop as tasks, futures, sleeping and timeouts need. `later` runs an action after so many
    ms, or never where the process that it belongs to is gone by then; `now_ms` is the time."""

    def __init__(
        self,
        later: Callable[[int, Callable[[], None]], None],
        now_ms: Callable[[], int],
        thread_ms: Callable[[], int] = lambda: 0,
    ) -> None:
        """`thread_ms`: how long the next piece of work takes that is given to a thread."""
        self._later = later
        self._now_ms = now_ms
        self._thread_ms = thread_ms
        self._tasks: list[asyncio.Task[Any]] = []

    def time(self) -> float:
        return self._now_ms() / 1_000

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._later(0, lambda: self._run(handle))
        return handle

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._later(max(0, round(when * 1_000) - self._now_ms()), lambda: self._run(handle))
        return handle

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def _run(self, handle: asyncio.Handle) -> None:
        if handle.cancelled():
            return
        before = events._get_running_loop()
        events._set_running_loop(self)
        try:
            handle._run()
        finally:
            events._set_running_loop(before)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        pass

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(  # type: ignore[override]
        self, coro: Coroutine[Any, Any, Any], *, name: str | None = None, context: Context | None = None
    ) -> asyncio.Task[Any]:
        task = asyncio.Task(coro, loop=self, name=name, context=context)
        self._tasks = [one for one in self._tasks if not one.done()] + [task]
        return task

    def run_in_executor(  # type: ignore[override]
        self, executor: None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """A thread, played: its work is done at once, after a while."""
        future = self.create_future()

        def work() -> None:
            try:
                outcome = func(*args)
            except (OperatorError, StagingError, InterruptedError, ValueError) as error:
                # For who waits. A crash, or what is nobody's error but ours, ends the process.
                future.set_exception(error)
            else:
                future.set_result(outcome)

        self._later(self._thread_ms(), work)
        return future

    def get_debug(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if context["message"] != ABANDONED:
            raise context.get("exception") or AssertionError(context["message"])

    def abandon(self) -> None:
        """The process is gone, whatever its coroutines were at."""
        for task in self._tasks:
            coroutine = task.get_coro()
            if not task.done() and coroutine is not None:
                coroutine.close()
        self._tasks.clear()
