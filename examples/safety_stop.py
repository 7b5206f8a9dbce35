#!/usr/bin/env python3
"""Slow the robot down near people: subscribes to humans, publishes a speed limit.

    python3 examples/safety_stop.py        # beside mesh_node; --ros-args -p NAME:=VALUE

Subscribed: humans (icl_mesh_ros/HumanArray). Published: speed_limit (std_msgs/Float32, m/s), with
every image, and while no images arrive.

The rule. The limit is the highest speed v at which the robot stops before it could touch anybody.
The robot keeps driving for the reaction time T, then brakes with the deceleration a. Meanwhile the
person approaches with the speed w. This is the protective distance of ISO 13855 and ISO/TS 15066,
solved for v:

    v T + v^2 / (2 a) + w (T + v / a) <= d

Every uncertainty lowers the limit:

- d, the free distance to the person, m: the smallest distance of a joint from the camera, less
  `margin` (a joint lies below the skin), less `sigmas` standard deviations of the position along
  the line of sight. Each joint's distance is first reduced by `unseen_margin` times
  (1 - joint_confidence), since a joint of low confidence may be elsewhere. With an assumed focal
  length, distances are multiplied by `assumed_scale`.
- w, the approach speed, m/s: from the person's velocity, but at least `least_approach`; for
  TENTATIVE or OCCLUDED people, whose velocity is uncertain, at least `unknown_approach`.
- T, the reaction time, s: `reaction_time` plus the age of the image.

The limit is 0 if no message arrives for `timeout`, or if a message's stamp differs from now by
more. A steady clock measures the time without messages: simulated time may stop or jump. An empty
image does not prove that nobody is there. This node relies on one camera and does not replace a
certified safety function.
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
from icl_mesh_ros.nodes.rclpy_inside import EndableNode
from icl_mesh_ros.nodes.run import run_nodes

CHECK_PERIOD_S = 0.1


def _number(default: float, most: float, meaning: str) -> float:
    """A field of the rule, from 0 to `most`."""
    number: float = field(default=default, metadata={"most": most, "meaning": meaning})
    return number


@dataclass(frozen=True)
class Rule:
    """The numbers of the rule, all of them parameters of the node."""

    max_speed: float = _number(1.5, 100.0, "m/s: the limit if nobody is near")
    deceleration: float = _number(1.0, 100.0, "m/s^2, above 0: of the braking robot")
    reaction_time: float = _number(0.3, 60.0, "s from a change of the limit until the robot brakes")
    margin: float = _number(0.3, 10.0, "m: between robot and joints, including joint to skin")
    unseen_margin: float = _number(0.3, 10.0, "m: error of a joint of confidence 0")
    sigmas: float = _number(2.0, 10.0, "standard deviations of the distance that are subtracted")
    assumed_scale: float = _number(0.6, 1.0, "factor for distances from an assumed focal length")
    least_approach: float = _number(0.5, 100.0, "m/s: smallest assumed approach speed")
    unknown_approach: float = _number(1.6, 100.0, "m/s: the same for TENTATIVE or OCCLUDED people")
    timeout: float = _number(0.5, 60.0, "s without a message until the limit is 0")

    def __post_init__(self) -> None:
        if self.deceleration <= 0:
            raise ValueError(f"deceleration must be above 0 m/s^2, got {self.deceleration}")

    def limit(self, humans: list[Human], age_s: float) -> float:
        """The smallest of all people's speed limits, m/s. age_s: of the image."""
        speeds = [self.speed(*self.distance_and_approach(human), age_s) for human in humans]
        return min([self.max_speed, *speeds])

    def distance_and_approach(self, human: Human) -> tuple[float, float]:
        """Free distance d (m) and approach w (m/s) of one person."""
        joints = np.asarray(human.joints, dtype=np.float64).reshape(-1, 3)
        unseen = self.unseen_margin * (1 - np.asarray(human.joint_confidence, dtype=np.float64))
        assumed = human.distance_source == Human.ASSUMED_FOCAL
        scale = self.assumed_scale if assumed else 1.0
        nearest = float((scale * np.linalg.norm(joints, axis=1) - unseen).min())
        position = np.array([human.position.x, human.position.y, human.position.z])
        ray = position / max(float(np.linalg.norm(position)), 1e-9)
        covariance = np.asarray(human.position_covariance, dtype=np.float64).reshape(3, 3)
        deviation = math.sqrt(max(0.0, float(ray @ covariance @ ray)))
        velocity = np.array([human.velocity.x, human.velocity.y, human.velocity.z])
        known = human.tracking_state == Human.TRACKED
        least = self.least_approach if known else self.unknown_approach
        return nearest - self.margin - self.sigmas * deviation, max(least, float(-ray @ velocity))

    def speed(self, distance: float, approach: float, age_s: float) -> float:
        """The highest v (m/s) that the rule allows, 0 to max_speed."""
        a, t = self.deceleration, self.reaction_time + max(0.0, age_s)
        # v^2 / (2 a) + v (T + w / a) + (w T - d) = 0
        half, rest = a * t + approach, 2 * a * (approach * t - distance)
        if not math.isfinite(rest) or rest >= 0:
            return 0.0
        return min(self.max_speed, math.sqrt(half * half - rest) - half)


class SafetyStop(EndableNode):
    """Subscribes to humans and publishes speed_limit."""

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
        """Declare a read-only parameter: the rule must not change while the robot drives."""
        span = FloatingPointRange(from_value=0.0, to_value=spec.metadata["most"])
        descriptor = ParameterDescriptor(
            description=spec.metadata["meaning"], floating_point_range=[span], read_only=True
        )
        return float(self.declare_parameter(spec.name, spec.default, descriptor).value)

    def _on_humans(self, message: HumanArray) -> None:
        self._heard_s = time.monotonic()
        try:
            self._publish(self._allowed(message))
        except ValueError as error:  # invalid joints or stamp
            self._publish(0.0)
            self.get_logger().error(
                f"people that cannot be read, so the limit is 0: {error}", throttle_duration_sec=5.0
            )

    def _allowed(self, message: HumanArray) -> float:
        age_s = (self.get_clock().now() - Time.from_msg(message.header.stamp)).nanoseconds / 1e9
        # People may have moved since an old message; a stamp in the future means different clocks.
        if abs(age_s) > self._rule.timeout:
            return 0.0
        return self._rule.limit(message.humans, age_s)

    def _check(self) -> None:
        if time.monotonic() - self._heard_s > self._rule.timeout:
            self._publish(0.0)

    def _publish(self, speed: float) -> None:
        self._limit.publish(Float32(data=speed))


def main() -> int:
    return run_nodes([SafetyStop])  # an exception in a callback does not end it


if __name__ == "__main__":
    raise SystemExit(main())
