"""examples/safety_stop.py: its rule by hand, and the example beside a mesh_node over DDS."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from rosgraph_msgs.msg import Clock as ClockMessage
from std_msgs.msg import Float32

from icl_mesh_ros.msg import Human, HumanArray

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "safety_stop.py"


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("safety_stop", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    sys.modules["safety_stop"] = module  # where dataclass looks its annotations up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["safety_stop"]


@pytest.fixture
def run_example(tmp_path):
    """Starts the example with parameters; it is stopped after the test."""
    with contextlib.ExitStack() as ending:

        def run(**parameters: object) -> subprocess.Popen:
            arguments = ["--ros-args"]
            for name, value in parameters.items():
                arguments += ["-p", f"{name}:={value}"]
            log = ending.enter_context((tmp_path / "safety_stop.log").open("wb"))
            process = subprocess.Popen(
                [sys.executable, str(EXAMPLE), *arguments],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ.copy(),
            )
            ending.enter_context(process)
            ending.callback(process.kill)
            return process

        yield run


def person(distance: float = 4.0, **changes) -> Human:
    """A person straight ahead: visible, standing still, without uncertainty."""
    human = Human(tracking_state=Human.TRACKED, distance_source=Human.CAMERA_INFO)
    human.position.z = distance
    human.joints = np.tile([0.0, 0.0, distance], 24).astype(np.float32)
    human.joint_confidence = np.ones(24, np.float32)
    for name, value in changes.items():
        setattr(human, name, value)
    return human


def moving(velocity_z: float) -> Human:
    human = person()
    human.velocity.z = velocity_z
    return human


def test_the_speed_stops_the_robot_just_in_time(example):
    """At the limit, the paths of the reacting and braking robot and of the person add up to d."""
    rule = example.Rule(max_speed=99.0)
    for distance in (1.0, 2.5, 6.0):
        for approach in (0.5, 1.6):
            v = rule.speed(distance, approach, 0.1)
            t, a = 0.3 + 0.1, 1.0
            way = v * t + v * v / (2 * a) + approach * (t + v / a)
            assert way == pytest.approx(distance)
    assert rule.speed(0.1, 1.6, 0.0) == 0.0  # the person approaches by 0.48 m in the reaction time
    assert rule.speed(float("nan"), 0.5, 0.0) == 0.0
    assert example.Rule(max_speed=1.5).speed(50.0, 0.5, 0.0) == 1.5


def test_uncertainty_reduces_the_free_distance(example):
    rule = example.Rule()

    def distance(human: Human) -> float:
        return rule.distance_and_approach(human)[0]

    assert distance(person()) == pytest.approx(4.0 - 0.3)
    hidden = person(joint_confidence=np.zeros(24, np.float32))
    assert distance(hidden) == pytest.approx(4.0 - 0.3 - 0.3)
    # Two standard deviations of 0.4 m along the line of sight; across it, none.
    uncertain = person(position_covariance=np.diag([9.0, 9.0, 0.16]).ravel())
    assert distance(uncertain) == pytest.approx(4.0 - 0.3 - 0.8)
    assert distance(person(distance_source=Human.ASSUMED_FOCAL)) == pytest.approx(4.0 * 0.6 - 0.3)
    # The scale applies to the distance alone, not to unseen_margin.
    guessed = person(distance_source=Human.ASSUMED_FOCAL, joint_confidence=np.zeros(24, np.float32))
    assert distance(guessed) == pytest.approx(4.0 * 0.6 - 0.3 - 0.3)
    # The nearest joint counts, here a hand; a low confidence reduces its distance.
    reaching = person()
    joints = reaching.joints.reshape(24, 3)
    joints[22, 2] = 3.0
    reaching.joints = joints.ravel()
    assert distance(reaching) == pytest.approx(3.0 - 0.3)


def test_the_approach_speed_has_a_lower_bound(example):
    rule = example.Rule()

    def approach(human: Human) -> float:
        return rule.distance_and_approach(human)[1]

    assert approach(moving(-2.0)) == pytest.approx(2.0)
    assert approach(moving(+2.0)) == approach(moving(0.0)) == 0.5
    assert approach(person(tracking_state=Human.OCCLUDED)) == 1.6
    assert approach(person(tracking_state=Human.TENTATIVE)) == 1.6


def test_the_nearest_person_decides_and_nobody_leaves_full_speed(example):
    rule = example.Rule()
    near, far = rule.limit([person(2.0)], 0.0), rule.limit([person(4.0)], 0.0)
    assert 0 < near < far
    assert rule.limit([person(4.0), person(2.0)], 0.0) == near
    assert rule.limit([], 0.0) == rule.max_speed
    assert rule.limit([person(2.0)], 0.4) < near


def test_silence_stops_the_robot_where_simulated_time_stands(peer, run_example):
    """A simulator that hangs, or a bag at its end, sends no /clock either."""
    limits = peer.listen(Float32, "speed_limit", 100)
    run_example(use_sim_time=True, timeout=1.0)
    clock = peer.node.create_publisher(ClockMessage, "/clock", 1)
    humans = peer.node.create_publisher(HumanArray, "humans", 1)
    now = ClockMessage(clock=Time(sec=100))
    nobody = HumanArray()
    nobody.header.stamp = now.clock

    def drives() -> bool:
        clock.publish(now)
        humans.publish(nobody)
        peer.spin_for(0.1)
        return bool(limits) and limits[-1].data > 0

    peer.until(drives, "a limit above 0")
    peer.until(lambda: limits[-1].data == 0.0, "0 after the last message")
    peer.until(drives, "a limit above 0 again")
    nobody.header.stamp.sec += 60

    def stops() -> bool:
        humans.publish(nobody)
        peer.spin_for(0.1)
        return limits[-1].data == 0.0

    peer.until(stops, "0 for people stamped a minute ahead")


def test_people_that_cannot_be_read_stop_the_robot(example, ros, monkeypatch):
    """A stamp before 1970, no joints, joints that are no triples: nothing is raised."""
    node = example.SafetyStop()
    try:
        said = []
        monkeypatch.setattr(node._limit, "publish", lambda message: said.append(message.data))
        message = HumanArray(humans=[person()])
        message.header.stamp = node.get_clock().now().to_msg()
        node._on_humans(message)
        assert said.pop() > 0
        broken = [HumanArray(humans=[person(joints=[])])]
        broken.append(HumanArray(humans=[person(joints=[1.0, 2.0])]))
        for one in broken:
            one.header.stamp = node.get_clock().now().to_msg()
        message.header.stamp = Time(sec=-1)
        for one in (*broken, message):
            node._on_humans(one)
            assert said.pop() == 0.0
    finally:
        node.destroy_node()


def test_beside_mesh_node(start, mesh_peer, random_weights, run_example):
    """Silence stops the robot, an empty scene lets it drive, a near person slows it down, and
    people with an old stamp stop it."""
    peer = mesh_peer
    limits = peer.listen(Float32, "speed_limit", 100)
    # A long timeout: on a slow machine, only missing messages may count as old.
    parameters = {"timeout": 30.0, "max_speed": 50.0, "margin": 0.0, "unseen_margin": 0.0}
    planner = run_example(**parameters)
    peer.until(lambda: limits, "a speed limit")
    assert limits[-1].data == 0.0  # nothing heard yet
    start("mesh_node", weights=str(random_weights))
    peer.wait_for_node()

    def drives() -> bool:
        image = peer.picture()
        image.header.stamp = peer.node.get_clock().now().to_msg()
        peer.image.publish(image)
        peer.spin_for(0.3)
        return bool(peer.humans) and limits[-1].data > 0

    # An untrained network detects people everywhere; no score reaches this threshold.
    assert peer.set_parameter("detection_threshold", 0.999).successful
    peer.until(drives, "a limit above 0")
    assert limits[-1].data == 50.0  # nobody is detected
    near = HumanArray(humans=[person(2.0)])
    near.header.stamp = peer.node.get_clock().now().to_msg()
    humans = peer.node.create_publisher(HumanArray, "humans", 1)
    peer.until(humans.get_subscription_count, "safety_stop subscribes")

    def slows_down() -> bool:
        near.header.stamp = peer.node.get_clock().now().to_msg()
        humans.publish(near)
        peer.spin_for(0.3)
        return 0 < limits[-1].data < 3

    peer.until(slows_down, "a limit for somebody 2 m away")
    near.header.stamp.sec -= 60

    def stops() -> bool:
        humans.publish(near)
        peer.spin_for(0.3)
        return limits[-1].data == 0.0

    peer.until(stops, "0 for people seen a minute ago")
    assert planner.poll() is None
