"""Mailbox, worker thread, throttled log: only the newest frame counts, an error loses one."""

from __future__ import annotations

import threading

import pytest

from icl_mesh_ros.logging.throttle import Throttle
from icl_mesh_ros.pipeline.mailbox import Mailbox
from icl_mesh_ros.pipeline.worker import FrameWorker


def test_mailbox_keeps_the_newest_and_reports_drops():
    mailbox = Mailbox()
    assert [mailbox.put(1), mailbox.put(2), mailbox.put(3)] == [False, True, True]
    assert mailbox.take() == 3
    assert mailbox.put(4) is False


def test_a_closed_mailbox_gives_nothing_more():
    mailbox = Mailbox()
    mailbox.put(1)
    mailbox.close()
    assert mailbox.take() is None


@pytest.fixture
def steady():
    """A mailbox with items every 0.1 s, the last one at 0.3 s, and its clock."""
    now = [0.0]
    mailbox = Mailbox(lambda: now[0])
    for item in range(4):
        now[0] = item * 0.1
        mailbox.put(item)
    return mailbox, now


def later(call, *arguments):
    timer = threading.Timer(0.05, call, arguments)
    timer.start()
    return timer


def test_an_item_that_is_due_is_waited_for(steady):
    mailbox, now = steady
    now[0] = 0.38
    timer = later(mailbox.put, 4)
    assert mailbox.take(10.0) == 4
    timer.join()


def test_the_wait_for_a_due_item_ends_with_the_mailbox(steady):
    mailbox, now = steady
    now[0] = 0.38
    timer = later(mailbox.close)
    assert mailbox.take(10.0) is None
    timer.join()


def test_the_wait_for_an_overdue_item_ends(steady):
    mailbox, now = steady
    now[0] = 0.38
    assert mailbox.take(0.03) == 3


@pytest.mark.parametrize(
    ("at", "patience"),
    [
        (0.38, 0.01),  # not within the patience
        (0.34, 3600.0),  # the stored item is fresher than that
        (0.41, 3600.0),  # overdue: the camera may have stopped
    ],
)
def test_other_items_are_not_waited_for(steady, at, patience):
    mailbox, now = steady
    now[0] = at
    assert mailbox.take(patience) == 3


def test_a_new_rate_is_learnt_at_once(steady):
    mailbox, now = steady
    for item, now[0] in ((5, 10.0), (6, 11.0)):
        mailbox.put(item)
    now[0] = 11.08  # due by the old period
    assert mailbox.take(3600.0) == 6
    now[0] = 11.9
    mailbox.put(7)
    timer = later(mailbox.put, 8)
    now[0] = 12.8
    assert mailbox.take(3600.0) == 8
    timer.join()


def test_the_first_items_are_taken_at_once():
    mailbox = Mailbox()
    mailbox.put(1)
    assert mailbox.take(3600.0) == 1
    mailbox.put(2)
    assert mailbox.take(3600.0) == 2


def test_worker_skips_to_the_newest_item_and_survives_errors():
    started, release, done = threading.Event(), threading.Event(), threading.Event()
    worked, errors = [], []

    def work(item: int) -> None:
        if item == 1:
            started.set()
            release.wait(10)
            raise ValueError("bad frame 1")
        worked.append(item)
        done.set()

    worker = FrameWorker(work, errors.append)
    worker.start()
    worker.mailbox.put(1)
    assert started.wait(10)
    worker.mailbox.put(2)  # both arrive while 1 is processed
    worker.mailbox.put(3)
    release.set()
    assert done.wait(10)
    assert worker.stop(10)
    assert worked == [3]
    assert [str(error) for error in errors] == ["bad frame 1"]


def test_an_error_in_on_error_does_not_end_the_worker(caplog):
    done = threading.Event()

    def work(item):
        if item == "good":
            done.set()
        else:
            raise ValueError("a bad image")

    def on_error(error):
        raise LookupError(f"while saying: {error}")

    worker = FrameWorker(work, on_error)
    worker.start()
    worker.mailbox.put("bad")
    while "while saying: a bad image" not in caplog.text:
        assert not done.wait(0.01)
    worker.mailbox.put("good")
    assert done.wait(10)
    assert worker.stop()


def test_worker_stops_before_it_was_started():
    assert FrameWorker(print, print).stop()


def test_worker_stops_while_it_pauses_for_its_rate():
    done = threading.Event()
    worker = FrameWorker(lambda _: done.set(), lambda _: None, lambda: 3600.0)
    worker.start()
    worker.mailbox.put(1)
    assert done.wait(10)
    assert worker.stop(10)


def test_worker_that_hangs_is_given_up():
    started, release = threading.Event(), threading.Event()
    worker = FrameWorker(lambda _: started.set() or release.wait(30), lambda _: None)
    worker.start()
    worker.mailbox.put(1)
    assert started.wait(10)
    assert not worker.stop(0.05)
    release.set()
    assert worker.stop(10)


def test_throttle_passes_each_text_once_per_period_and_counts():
    now = [0.0]
    throttle = Throttle(5.0, lambda: now[0])
    assert [throttle("a"), throttle("b"), throttle("a"), throttle("a")] == ["a", "b", None, None]
    now[0] = 5.0
    assert throttle("a") == "a (and 2 times since)"
    assert throttle("a") is None


def test_texts_of_one_kind_count_as_one():
    throttle = Throttle(5.0, lambda: 0.0)
    assert throttle("back by 1 s", "back") == "back by 1 s"
    assert throttle("back by 2 s", "back") is None
    assert throttle("no stamp", "zero") == "no stamp"


def test_changing_numbers_and_names_are_the_same_kind():
    throttle = Throttle(5.0, lambda: 0.0)
    lines = [throttle(f"image on '/a' (format 'x{k}', {k} bytes) is broken") for k in range(150)]
    assert [line is not None for line in lines] == [True] + [False] * 149


def test_invented_kinds_do_not_fill_the_log():
    now = [0.0]
    throttle = Throttle(5.0, lambda: now[0])
    letters = [f"{chr(97 + k % 26)}{chr(97 + k // 26)}" for k in range(600)]
    assert sum(throttle(text) is not None for text in letters) == Throttle.MOST_KINDS
    now[0] = 6.0
    assert throttle("new") == "new"
