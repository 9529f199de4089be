"""What is done once, and what one at a time, whoever asks: threads here, lanes elsewhere."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from pytest_sysaudit.errors import Denied
from pytest_sysaudit.lanes import Mutex, Once, wait, wait_for


def test_waiting_outside_of_a_lane_is_just_waiting():
    done: Future[int] = Future()
    done.set_result(3)
    assert wait(lambda n: n + 1, 1) == 2
    assert wait_for(done) == 3
    with pytest.raises(TimeoutError):
        wait_for(Future(), 0.01)


def test_others_wait_for_the_first_and_try_again_if_it_was_interrupted():
    once: Once[str] = Once()
    begun, go = threading.Event(), threading.Event()

    def interrupted():
        begun.set()
        go.wait(10)
        raise KeyboardInterrupt

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(once.get, "key", interrupted)
        assert begun.wait(10)
        second = pool.submit(once.get, "key", lambda: 7)
        go.set()
        assert second.result(10) == 7
        assert isinstance(first.exception(10), KeyboardInterrupt)
    assert once.known("key")
    once.put("key", 8)
    assert once.get("key", lambda: 9) == 7


def test_an_error_is_everybodys():
    once: Once[str] = Once()

    def refuse():
        raise Denied("no")

    for _ in range(2):
        with pytest.raises(Denied, match="no"):
            once.get("key", refuse)
    once.put("other", 1)
    assert once.get("other", refuse) == 1


def test_one_at_a_time():
    mutex, inside, most = Mutex(), [], []

    def work(number):
        with mutex:
            inside.append(number)
            most.append(len(inside))
            threading.Event().wait(0.002)
            inside.remove(number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(40)))
    assert most == [1] * 40


def test_who_stops_waiting_leaves_the_queue(monkeypatch):
    mutex, order = Mutex(), []

    def stop(_future):
        raise KeyboardInterrupt

    with mutex:
        with monkeypatch.context() as patched:
            patched.setattr("pytest_sysaudit.lanes.mutex.wait_for", stop)
            with pytest.raises(KeyboardInterrupt), mutex:
                order.append("never")
        order.append("held")
    with mutex:
        order.append("free")
    assert order == ["held", "free"]
