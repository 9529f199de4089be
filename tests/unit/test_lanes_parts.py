"""The parts of lanes by themselves: once, mutex, threads, state, the self-test."""

from __future__ import annotations

import contextvars
import logging
import sys
import threading
from concurrent.futures import Future
from types import SimpleNamespace

import pytest
from _pytest.assertion import util
from _pytest.logging import LogCaptureHandler
from _pytest.runner import SetupState

from pytest_sysaudit import lanes
from pytest_sysaudit.hooks import scheduling
from pytest_sysaudit.lanes import internals, state
from pytest_sysaudit.lanes.pool import Job, Pool
from pytest_sysaudit.lanes.turn import current_turn, owned, owner_of

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="")


def test_outside_of_lanes_one_just_waits():
    assert current_turn() is None
    assert lanes.wait(lambda a, b: (a, b), 1, b=2) == (1, 2)
    future: Future[int] = Future()
    threading.Timer(0.01, future.set_result, [3]).start()
    assert lanes.wait_for(future) == 3
    with pytest.raises(TimeoutError):
        lanes.wait_for(Future(), timeout=0.01)
    with pytest.raises(ValueError, match="no"):
        lanes.wait(int, "no")


def test_who_is_to_set_a_future_is_known():
    assert owner_of(None) is None
    assert owner_of(Future()) is None
    assert owner_of(owned(Future())) is None
    assert owner_of(owned(Future(), lambda: "lane")) == "lane"


def test_a_mutex_lets_in_one_at_a_time():
    mutex, inside, most = lanes.Mutex(), [], []

    def work():
        for _ in range(50):
            with mutex:
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(most) == 200
    assert max(most) == 1


class Told:
    def __init__(self):
        self.future: Future[None] = Future()

    def __call__(self):
        self.future.set_result(None)


def run_in(pool, call):
    told = Told()
    job = Job(call, SimpleNamespace(name="lane"), told)
    pool.submit(job)
    told.future.result(10)
    return job


def test_a_job_has_the_context_of_who_waits_and_gives_back_errors():
    pool = Pool()
    variable.set("mine")
    assert run_in(pool, variable.get).result() == "mine"
    with pytest.raises(ZeroDivisionError):
        run_in(pool, lambda: 1 / 0).result()
    with pytest.raises(KeyboardInterrupt):
        run_in(pool, lambda: (_ for _ in ()).throw(KeyboardInterrupt)).result()
    pool.close()


def test_a_free_thread_is_taken_before_a_new_one():
    pool = Pool()
    threads = {run_in(pool, threading.get_ident).result() for _ in range(20)}
    assert len(threads) == 1
    assert pool.workers == {}
    began, busy = threading.Event(), threading.Event()

    def work():
        began.set()
        busy.wait(10)

    pool.submit(Job(work, SimpleNamespace(name="lane"), lambda: None))
    assert began.wait(10)
    assert run_in(pool, threading.get_ident).result() not in threads
    busy.set()
    pool.close()


def test_what_a_thread_logs_goes_to_its_lane():
    root, workers = logging.getLogger(), {}
    before = (root.handlers, [*root.handlers], root.level)
    logs = state.Logs(workers, None)
    first, second = SimpleNamespace(handlers=[]), SimpleNamespace(handlers=[])
    heard = {name: LogCaptureHandler() for name in ("first", "second")}
    try:
        logs.put(logs.fresh(first))
        root.addHandler(heard["first"])
        kept = logs.take()
        logs.put(logs.fresh(second))
        root.addHandler(heard["second"])
        workers[threading.get_ident()] = first
        logging.getLogger("far").error("of the first")
        workers[threading.get_ident()] = second
        logging.getLogger("far").error("of the second")
        del workers[threading.get_ident()]
        logs.put(kept)
        logging.getLogger("near").error("the first again")
    finally:
        logs.put(logs.fresh(None))
    assert [r.getMessage() for r in heard["first"].records] == ["of the first", "the first again"]
    assert [r.getMessage() for r in heard["second"].records] == ["of the second"]
    assert (root.handlers, [*root.handlers], root.level) == before


def test_levels_that_changed_are_noticed():
    logger = logging.getLogger("test_lanes.level")
    before = state.levels()
    assert not state.changed(before)
    logger.setLevel("DEBUG")
    assert state.changed(before)
    logger.setLevel("NOTSET")
    assert not state.changed(before)
    logging.getLogger("test_lanes.new").setLevel("INFO")
    assert state.changed(before)
    logging.getLogger("test_lanes.new").setLevel("NOTSET")
    logging.disable("INFO")
    try:
        assert state.changed(before)
    finally:
        logging.disable("NOTSET")


def test_the_trace_function_is_each_lanes_own():
    part, before = state.Trace(), sys.gettrace()

    def trace(frame, event, argument):
        return None

    try:
        sys.settrace(trace)
        kept = part.take()
        part.put(part.fresh(None))
        assert sys.gettrace() is before
        part.put(kept)
        assert sys.gettrace() is trace
    finally:
        sys.settrace(before)


def test_nothing_is_put_aside_for_a_lane_that_goes_on():
    calls = []
    part = SimpleNamespace(
        fresh=lambda lane: lane and lane.name,
        take=lambda: calls.append("take"),
        put=lambda token: calls.append(f"put {token}"),
    )
    keeper = state.Keeper([part])
    lane = SimpleNamespace(name="h1", kept=None)
    keeper.place(lane)
    keeper.place(lane)
    keeper.place(None)
    assert calls == ["put h1", "take", "put None"]


def test_all_internals_are_there(request):
    assert internals.missing(request.session) == []


@pytest.mark.parametrize(
    ("owner", "name", "value", "told"),
    [
        (util, "_config", None, "assertion.util._config"),
        (SetupState, "teardown_exact", print, "SetupState.teardown_exact"),
        (internals.runner, "runtestprotocol", input, "_pytest.runner.runtestprotocol"),
        (pytest.FixtureDef, "finish", None, "FixtureDef.finish"),
    ],
    ids=["gone", "other-arguments", "function", "no-function"],
)
def test_what_is_missing_is_named(request, monkeypatch, *, owner, name, value, told):
    with monkeypatch.context() as patch:
        if told.startswith("assertion"):
            patch.delattr(owner, name)
        else:
            patch.setattr(owner, name, value)
        found = internals.missing(request.session)
    assert len(found) == 1
    assert found[0].startswith(told)


class Node:
    def __init__(self, ids):
        self.ids, self.sent, self.shutting_down = ids, [], False
        self.gateway = SimpleNamespace(id="gw")

    def send_runtest_some(self, numbers):
        self.sent.append([self.ids[n] for n in numbers])

    def shutdown(self):
        self.shutting_down = True


def schedule(lanes_asked, ids, nodes):
    config = SimpleNamespace(
        option=SimpleNamespace(loadscopereorder=False, tx=["popen"] * nodes),
        getvalue=lambda _: ["popen"] * nodes,
        getoption=lambda _: lanes_asked,
    )
    scheduler = scheduling.TargetScheduling(config, None, ["h1", "h2", "h3", "h4"])
    scheduler.config, scheduler.numnodes = config, nodes
    made = [Node(ids) for _ in range(nodes)]
    for node in made:
        scheduler.add_node(node)
        scheduler.add_node_collection(node, ids)
    scheduler.schedule()
    return scheduler, made


IDS = [f"test_x.py::test_{n}[h{host}]" for host in (1, 2, 3, 4) for n in range(4)]


@pytest.mark.parametrize(
    ("lanes_asked", "units"), [("auto", [2, 2]), ("1", [1, 1]), ("2", [2, 2]), ("0", [1, 1])]
)
def test_a_worker_gets_its_share_of_targets_at_once(lanes_asked, units):
    _, nodes = schedule(lanes_asked, IDS, 2)
    assert [len(node.sent) for node in nodes] == units


def test_what_has_no_target_is_handed_out_one_by_one():
    ids = [f"test_y.py::test_{n}" for n in range(20)]
    scheduler, (node,) = schedule("auto", [*ids, *IDS], 1)
    assert [len(unit) for unit in node.sent] == [4, 4, 4, 4, 1, 1]
    scheduler.mark_test_complete(node, 0)
    assert len(node.sent) == 7


def test_whose_crash_it_was_is_found_out_one_target_at_a_time():
    scheduler, (node, _) = schedule("auto", IDS, 2)
    assert node.sent == [IDS[0:4], IDS[8:12]]
    scheduler.mark_test_complete(node, 0)
    assert scheduler.remove_node(node) is None  # a check of h1 or of h3
    for following in ([IDS[1:4]], [IDS[8:12], IDS[2:4]]):
        scheduler.add_node(node := Node(IDS))
        scheduler.add_node_collection(node, IDS)
        scheduler.schedule()
        assert node.sent == following[:1]
        killer = scheduler.remove_node(node)
        assert killer == following[0][0]
