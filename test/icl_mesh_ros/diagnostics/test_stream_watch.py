"""Oddities of an image stream from headers and arrival times."""

from __future__ import annotations

from builtin_interfaces.msg import Time
from std_msgs.msg import Header

from icl_mesh.tracking.stream_watch import StreamWatch


def header(sec: int, frame_id: str = "camera") -> Header:
    return Header(stamp=Time(sec=sec), frame_id=frame_id)


def test_gaps_are_since_the_last_image_or_the_start():
    now = [10.0]
    watch = StreamWatch("/image", lambda: now[0])
    now[0] = 13.0
    assert watch.gap_s() == 3.0
    assert watch.see(header(1)) == 3.0
    now[0] = 13.5
    assert (watch.gap_s(), watch.see(header(2))) == (0.5, 0.5)
    assert watch.take_oddities() == {}


def test_each_oddity_is_reported_once():
    watch = StreamWatch("/image")
    for sec in (5, 6, 2, 3):
        watch.see(header(sec))
    assert watch.take_oddities() == {
        "back": "stamps on '/image' went back by 4 s: is a bag played again, or do several cameras "
        "publish?"
    }
    assert watch.take_oddities() == {}


def test_a_stamp_before_1970_is_reported_without_an_exception():
    watch = StreamWatch("/image")
    watch.see(header(-1))
    (text,) = watch.take_oddities().values()
    assert text.startswith("images on '/image' are stamped before 1970 (-1 s): the driver")


def test_no_stamp_is_not_a_stamp_that_goes_back():
    watch = StreamWatch("/image")
    for sec in (5, 0, 0, 6):
        watch.see(header(sec))
    assert list(watch.take_oddities()) == ["zero"]


def test_frames_that_alternate():
    watch = StreamWatch("/image")
    for frame in ("left", "right", "left"):
        watch.see(header(1, frame))
    assert list(watch.take_oddities().values()) == [
        "images on '/image' change between frames 'left' and 'right': do several cameras publish? "
        "Then ids suffer, as people of one are taken for those of another: give each a topic of "
        "its own. A driver should name one frame"
    ]


def test_images_with_and_without_stamps_are_reported_as_bad_for_ids():
    watch = StreamWatch("/image")
    for sec in (0, 5, 0, 6):
        watch.see(header(sec))
    assert watch.take_oddities() == {
        "zero": "images on '/image' change between stamps and none (0): ids are less stable, since "
        "images without a stamp get the time of their arrival; the driver should stamp every image"
    }


def test_an_invalid_frame_and_stamp_raise_nothing():
    watch = StreamWatch("/image")
    for frame in ("a\nb" * 1000, "c"):
        watch.see(Header(stamp=Time(sec=-1), frame_id=frame))
    oddities = watch.take_oddities()
    assert list(oddities) == ["negative", "frame"]
    text = oddities["frame"]
    assert "\n" not in text
    assert len(text) < 400
