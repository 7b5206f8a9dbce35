#!/usr/bin/env python3
"""Slow the robot down near people: subscribes to humans, publishes a speed limit.

    python3 examples/safety_stop.py        # beside mesh_node; --ros-args -p NAME:=VALUE

Subscribed: humans (icl_mesh_ros/HumanArray). Published: speed_limit (std_msgs/Float32, m/s), with
every image and whenever images stay out.

The rule. The robot may drive at the highest speed v at which it stands still before it could touch
anybody. It keeps driving for the reaction time T, then brakes with the deceleration a, while the
person comes nearer at the speed w (the protective distance of ISO 13855 and ISO/TS 15066, solved
for v):

    v T + v^2 / (2 a) + w (T + v / a) <= d

Every uncertain thing counts against the robot:

- d, the free distance to the person: for each joint, its distance from the camera less
  `margin` for what a joint lacks to the skin, less `unseen_margin` times (1 - joint_confidence),
  since a joint that is hidden or somebody else's may be elsewhere; the smallest of them, less
  `sigmas` standard deviations of the position along the line of sight. With an assumed focal
  length, distances count by `assumed_scale`.
- w, how fast the person comes: the approach in velocity, but not less than `least_approach`; for
  people who are TENTATIVE or OCCLUDED, whose velocity is not known well, not less than
  `unknown_approach`.
- T, the reaction time: `reaction_time`, and the age of the image.

Nothing heard for `timeout`, or people stamped further than that from now: the limit is 0. Silence
is measured by a steady clock, which goes on where simulated time stands or jumps. An empty
image is not a proof that nobody is there: this limits speed on the word of a camera, and does not
replace a certified safety function.
"""

from __future__ import annotations

import math
import time
from dataclasses import Field, dataclass, field, fields

import numpy as np
from rcl_interfaces.msg import FloatingPointRange, ParameterDescriptor
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.time import Time
from std_msgs.msg import Float32

from icl_mesh_ros.msg import Human, HumanArray
from icl_mesh_ros.rclpy_inside import EndableNode
from icl_mesh_ros.run import run_nodes

CHECK_PERIOD_S = 0.1


def _number(default: float, most: float, meaning: str) -> float:
    """A field of the rule: from 0 to most."""
    number: float = field(default=default, metadata={"most": most, "meaning": meaning})
    return number


@dataclass(frozen=True)
class Rule:
    """The numbers of the rule, all of them parameters of the node."""

    max_speed: float = _number(1.5, 100.0, "m/s: the limit where nobody is near")
    deceleration: float = _number(1.0, 100.0, "m/s^2, above 0: how the robot brakes")
    reaction_time: float = _number(0.3, 60.0, "s from the limit's change to braking")
    margin: float = _number(0.3, 10.0, "m: kept free, and what joints lack to the skin")
    unseen_margin: float = _number(0.3, 10.0, "m: how far off a joint of confidence 0 may be")
    sigmas: float = _number(2.0, 10.0, "standard deviations of the distance that are kept free")
    assumed_scale: float = _number(
        0.6, 1.0, "distances count by it where the focal length is assumed"
    )
    least_approach: float = _number(0.5, 100.0, "m/s: anybody may come nearer this fast")
    unknown_approach: float = _number(1.6, 100.0, "m/s: the same for people TENTATIVE or OCCLUDED")
    timeout: float = _number(0.5, 60.0, "s without news of people until the limit is 0")

    def __post_init__(self) -> None:
        if self.deceleration <= 0:
            raise ValueError(f"deceleration must be above 0 m/s^2, got {self.deceleration}")

    def limit(self, humans: list[Human], age_s: float) -> float:
        """The highest speed allowed by everybody, m/s. age_s: of the image."""
        speeds = [self.speed(*self.distance_and_approach(human), age_s) for human in humans]
        return min([self.max_speed, *speeds])

    def distance_and_approach(self, human: Human) -> tuple[float, float]:
        """Free distance d (m) and approach w (m/s) of one person."""
        joints = np.asarray(human.joints, dtype=np.float64).reshape(-1, 3)
        unseen = self.unseen_margin * (1 - np.asarray(human.joint_confidence, dtype=np.float64))
        assumed = human.distance_source == Human.ASSUMED_FOCAL
        scale = self.assumed_scale if assumed else 1.0
        nearest = float((scale * np.linalg.norm(joints, axis=1) - unseen).min())
        place = np.array([human.position.x, human.position.y, human.position.z])
        ray = place / max(float(np.linalg.norm(place)), 1e-9)
        covariance = np.asarray(human.position_covariance, dtype=np.float64).reshape(3, 3)
        deviation = math.sqrt(max(0.0, float(ray @ covariance @ ray)))
        velocity = np.array([human.velocity.x, human.velocity.y, human.velocity.z])
        known = human.tracking_state == Human.TRACKED
        least = self.least_approach if known else self.unknown_approach
        return nearest - self.margin - self.sigmas * deviation, max(least, float(-ray @ velocity))

    def speed(self, distance: float, approach: float, age_s: float) -> float:
        """The highest v of the rule, 0 to max_speed."""
        a, t = self.deceleration, self.reaction_time + max(0.0, age_s)
        # v^2 / (2 a) + v (T + w / a) + (w T - d) = 0
        half, rest = a * t + approach, 2 * a * (approach * t - distance)
        if not math.isfinite(rest) or rest >= 0:
            return 0.0
        return min(self.max_speed, math.sqrt(half * half - rest) - half)


class SafetyStop(EndableNode):
    """Publishes speed_limit for the people in humans."""

    def __init__(self) -> None:
        super().__init__("safety_stop")
        self._rule = Rule(**{spec.name: self._declare(spec) for spec in fields(Rule)})
        self._heard_s = -math.inf  # steady
        self._limit = self.create_publisher(Float32, "speed_limit", 1)
        self.create_subscription(HumanArray, "humans", self._on_humans, 1)
        self.create_timer(
            CHECK_PERIOD_S, self._check, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )

    def _declare(self, spec: Field[float]) -> float:
        """The rule is read once: nobody loosens it while the robot drives."""
        span = FloatingPointRange(from_value=0.0, to_value=spec.metadata["most"])
        descriptor = ParameterDescriptor(
            description=spec.metadata["meaning"], floating_point_range=[span], read_only=True
        )
        return float(self.declare_parameter(spec.name, spec.default, descriptor).value)

    def _on_humans(self, message: HumanArray) -> None:
        self._heard_s = time.monotonic()
        try:
            self._publish(self._allowed(message))
        except ValueError as error:  # joints or a stamp that cannot be
            self._publish(0.0)
            self.get_logger().error(
                f"people that cannot be read, so the limit is 0: {error}", throttle_duration_sec=5.0
            )

    def _allowed(self, message: HumanArray) -> float:
        age_s = (self.get_clock().now() - Time.from_msg(message.header.stamp)).nanoseconds / 1e9
        # Of old people nothing is known, and where clocks differ nobody knows how old they are.
        if abs(age_s) > self._rule.timeout:
            return 0.0
        return self._rule.limit(message.humans, age_s)

    def _check(self) -> None:
        if time.monotonic() - self._heard_s > self._rule.timeout:
            self._publish(0.0)

    def _publish(self, speed: float) -> None:
        self._limit.publish(Float32(data=speed))


def main() -> int:
    return run_nodes([SafetyStop])  # what a callback raises does not end it


if __name__ == "__main__":
    raise SystemExit(main())
