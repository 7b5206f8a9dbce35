"""Mailbox, worker thread and throttled log: the newest frame wins, an error loses one frame."""

from __future__ import annotations

import threading

from icl_mesh_ros.mailbox import Mailbox
from icl_mesh_ros.throttle import Throttle
from icl_mesh_ros.worker import FrameWorker


def test_mailbox_keeps_the_newest_and_says_what_it_dropped():
    mailbox = Mailbox()
    assert [mailbox.put(1), mailbox.put(2), mailbox.put(3)] == [False, True, True]
    assert mailbox.take() == 3
    assert mailbox.put(4) is False


def test_a_closed_mailbox_gives_nothing_more():
    mailbox = Mailbox()
    mailbox.put(1)
    mailbox.close()
    assert mailbox.take() is None


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
    worker.mailbox.put(2)  # both arrive while 1 is worked on
    worker.mailbox.put(3)
    release.set()
    assert done.wait(10)
    assert worker.stop(10)
    assert worked == [3]
    assert [str(error) for error in errors] == ["bad frame 1"]


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


def test_throttle_says_each_text_once_per_period_and_counts():
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
