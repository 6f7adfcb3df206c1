"""A bounded, lossless hand-over between the decoding thread and the one consumer."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class StalledError(Exception):
    """The producer has shown no sign of life for the given time."""


class Channel(Generic[T]):
    """At most `capacity` items wait. Every wait has an end: `close` wakes both sides, and a producer that neither
    puts nor calls `alive` for `stall_s` seconds makes `get` raise StalledError."""

    def __init__(self, capacity: int, stall_s: float) -> None:
        self._items: deque[T] = deque()
        self._capacity = capacity
        self._stall_s = stall_s
        self._condition = threading.Condition()
        self._closed = False
        self._finished = False
        self._error: BaseException | None = None
        self._last_sign = time.monotonic()
        self.most_waiting = 0

    @property
    def closed(self) -> bool:
        """The consumer wants no more."""
        return self._closed

    def alive(self) -> None:
        """The producer works on (called between packets, also while nothing comes out)."""
        self._last_sign = time.monotonic()

    def put(self, item: T) -> bool:
        """Hand over one item, waiting for room; False when the consumer has closed."""
        with self._condition:
            self._condition.wait_for(lambda: self._closed or len(self._items) < self._capacity)
            self._last_sign = time.monotonic()
            if self._closed:
                return False
            self._items.append(item)
            self.most_waiting = max(self.most_waiting, len(self._items))
            self._condition.notify_all()
            return True

    def finish(self, error: BaseException | None = None) -> None:
        """The producer is done; `error` is raised at the consumer after the items that wait."""
        with self._condition:
            self._finished, self._error = True, error
            self._condition.notify_all()

    def get(self) -> T | None:
        """The next item; None at the end. Raises what the producer raised, or StalledError."""
        with self._condition:
            while not self._items:
                if self._error is not None:
                    error, self._error = self._error, None
                    raise error
                if self._finished or self._closed:
                    return None
                left = self._last_sign + self._stall_s - time.monotonic()
                if left <= 0:
                    raise StalledError
                self._condition.wait(min(left, 1.0))
            item = self._items.popleft()
            self._last_sign = time.monotonic()  # a producer that waited for room gets its full time again
            self._condition.notify_all()
            return item

    def close(self) -> None:
        """The consumer leaves: what waits is dropped, the producer is woken."""
        with self._condition:
            self._closed = True
            self._items.clear()
            self._condition.notify_all()
