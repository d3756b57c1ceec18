"""Simulated time: one queue of actions, in the order of their times and then of their coming."""

import heapq
from collections.abc import Callable

Action = Callable[[], None]


class Scheduler:
    """`now_ms` begins at 0 and moves with the actions only."""

    def __init__(self) -> None:
        self.now_ms = 0
        self._queue: list[tuple[int, int, Action]] = []
        self._count = 0

    def after(self, delay_ms: int, action: Action) -> None:
        self.at(self.now_ms + max(0, delay_ms), action)

    def at(self, at_ms: int, action: Action) -> None:
        self._count += 1
        heapq.heappush(self._queue, (max(at_ms, self.now_ms), self._count, action))

    def run_until(self, end_ms: int, reached: Callable[[], bool] = lambda: False) -> bool:
        """Run what is due up to `end_ms`, or until `reached`; whether that was."""
        while self._queue and self._queue[0][0] <= end_ms:
            if reached():
                return True
            self.now_ms, _, action = heapq.heappop(self._queue)
            action()
        self.now_ms = max(self.now_ms, end_ms)
        return reached()
