"""The publishers of mesh_node."""

from __future__ import annotations

from typing import NamedTuple

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from visualization_msgs.msg import Marker, MarkerArray

from icl_mesh.body import BodyModel as Body
from icl_mesh.tracking.tracker import Tracks
from icl_mesh_ros.inputs.conversions import image_from_rgb
from icl_mesh_ros.msg import BodyModel, HumanArray
from icl_mesh_ros.outputs.final_messages import publish_final
from icl_mesh_ros.outputs.markers import HumanMarkers, MarkerStyle
from icl_mesh_ros.outputs.messages import body_model_message, serialized_humans
from icl_mesh_ros.outputs.rep155 import BodyTopics
from icl_mesh_ros.outputs.transforms import TransformPublisher, tf_header
from icl_mesh_ros.parameters.mesh_node import MeshParameters
from icl_mesh_ros.pipeline.frame import FrameResult

LATCHED_QOS = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Listeners(NamedTuple):
    """Whether humans/markers and humans/overlay have subscribers."""

    markers: bool
    overlay: bool


class Outputs:
    """Publishes humans, humans/markers, humans/overlay and humans/body_model; with the parameters
    publish_tf and rep155 also /tf and humans/bodies/... Markers and overlay without a subscriber
    are neither computed nor sent.

    Create and destroy it in the node's thread; use it in one thread at a time.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._humans = node.create_publisher(HumanArray, "humans", 1)
        self._markers = node.create_publisher(MarkerArray, "humans/markers", 1)
        self._overlay = node.create_publisher(Image, "humans/overlay", 1)
        self._body_model = node.create_publisher(BodyModel, "humans/body_model", LATCHED_QOS)
        self._human_markers = HumanMarkers()
        self._header: Header | None = None  # of the last published frame
        # Created when the parameters first need them.
        self._transforms: TransformPublisher | None = None
        self._bodies: BodyTopics | None = None

    @property
    def humans_topic(self) -> str:
        """The resolved name of humans."""
        return str(self._humans.topic_name)

    def announce(self, body: Body, weights_version: str) -> None:
        """Publish the latched humans/body_model. Call again when the weights change."""
        self._body_model.publish(body_model_message(body, weights_version))

    def listeners(self) -> Listeners:
        """Which topics have subscribers now. Ask once per frame: it takes 20 us per publisher."""
        return Listeners(
            self._markers.get_subscription_count() > 0, self._overlay.get_subscription_count() > 0
        )

    def wants_vertices(self, settings: MeshParameters, listeners: Listeners | None = None) -> bool:
        """Whether publish() will need the meshes of the next frame."""
        listeners = self.listeners() if listeners is None else listeners
        return (
            settings.publish_vertices
            or settings.rep155
            or (settings.marker_mesh != "none" and listeners.markers)
            or listeners.overlay
        )

    def publish(
        self,
        result: FrameResult,
        header: Header,
        settings: MeshParameters,
        listeners: Listeners | None = None,
    ) -> None:
        """Publish one frame. header: of its image. listeners: when the frame was started.

        Raises ValueError if the overlay cannot be rendered on this machine, after everything else
        has been published.
        """
        listeners = self.listeners() if listeners is None else listeners
        self._header = header
        # A subscriber that came after wants_vertices gets its meshes with the next frame.
        meshes = result.tracks.people.vertices_m is not None
        self._humans.publish(
            serialized_humans(
                result.tracks, header, with_vertices=meshes and settings.publish_vertices
            )
        )
        self._publish_frames(result.tracks, header, settings)
        self._publish_bodies(result, header, settings)
        drawable = meshes or settings.marker_mesh == "none"
        if drawable and listeners.markers:
            style = marker_style(settings)
            markers = self._human_markers.serialized(result.tracks, tf_header(header), style)
            self._markers.publish(markers)
        else:
            self._human_markers.forget()
        if meshes and listeners.overlay:
            self._publish_overlay(result, header)

    def end(self) -> None:
        """Publish the final messages: RViz deletes its markers, humans/bodies/tracked is empty.

        humans gets no message: an empty one would mean that nobody is there.
        """
        if self._header is None:
            return
        everything = Marker(header=tf_header(self._header), action=Marker.DELETEALL)
        publish_final(self._markers, MarkerArray(markers=[everything]))
        self._human_markers.forget()
        if self._bodies is not None:
            self._bodies.end(self._header)
        self._header = None

    def destroy(self) -> None:
        """Destroy the publishers."""
        for publisher in (self._humans, self._markers, self._overlay, self._body_model):
            self._node.destroy_publisher(publisher)
        for topics in (self._transforms, self._bodies):
            if topics is not None:
                topics.destroy()

    def _publish_frames(self, tracks: Tracks, header: Header, settings: MeshParameters) -> None:
        if settings.publish_tf or settings.rep155:
            self._transforms = self._transforms or TransformPublisher(self._node)
            self._transforms.publish(tracks, header, settings.body_id_prefix)

    def _publish_bodies(
        self, result: FrameResult, header: Header, settings: MeshParameters
    ) -> None:
        if settings.rep155:
            self._bodies = self._bodies or BodyTopics(self._node)
            self._bodies.publish(result.tracks, result.rgb, header, settings.body_id_prefix)
        elif self._bodies is not None:  # switched off: the last ids must not seem current
            self._bodies.end(header)
            self._bodies.destroy()
            self._bodies = None

    def _publish_overlay(self, result: FrameResult, header: Header) -> None:
        # Imported here, since it needs OpenGL (EGL), which may be missing.
        from icl_mesh.rendering.overlay import draw_overlay

        seen = result.tracks.people.select(result.tracks.detected)
        try:
            overlay = draw_overlay(result.rgb, seen)
        except RuntimeError as error:  # rendering is not available here
            raise ValueError(f"no {self._overlay.topic_name}: {error}") from error
        self._overlay.publish(image_from_rgb(overlay, header))


def marker_style(settings: MeshParameters) -> MarkerStyle:
    """The style of humans/markers that the parameters define."""
    return MarkerStyle(
        mesh=settings.marker_mesh,
        skeleton=settings.marker_skeleton,
        labels=settings.marker_labels,
        alpha=settings.marker_alpha,
        lifetime_s=settings.marker_lifetime,
    )
