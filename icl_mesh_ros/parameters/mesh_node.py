"""The parameters of mesh_node: names, defaults, ranges and descriptions."""

from __future__ import annotations

from dataclasses import dataclass

from rclpy.node import Node

from icl_mesh.depth.correction import SCALES
from icl_mesh_ros.parameters.fields import check, declare
from icl_mesh_ros.parameters.fields import parameter as _parameter
from icl_mesh_ros.parameters.optional_packages import require


@dataclass(frozen=True)
class MeshParameters:
    """Parameters of mesh_node. Unless the text says otherwise, a change applies to the next frame.

    Raises ValueError for a value out of its range, and if a required ROS package is missing.
    """

    autostart: bool = _parameter(
        True,
        "configure and activate by itself at start; false: a lifecycle manager does (read-only)",
        read_only=True,
    )
    weights: str = _parameter(
        "default",
        "network weights: 'default' or a .safetensors file; set while running, new weights are "
        "loaded and tested in the background; if that fails, the old ones stay",
    )
    weights_folder: str = _parameter(
        "",
        "the only folder that may hold weights, for the parameter weights and ~/update_model, and "
        "the base of relative names; 'default' is allowed too; empty: any folder (read-only)",
        read_only=True,
    )
    update_time_limit: float = _parameter(
        120.0,
        "s: longest time to load weights that are set while the node is configured; 0: such "
        "changes are refused (read-only)",
        limits=(0.0, 3600.0),
        read_only=True,
    )
    update_memory_limit: float = _parameter(
        0.0,
        "MB: weights set while the node is configured are refused if loading them may take more "
        "memory; 0: the machine's free memory (read-only)",
        limits=(0.0, 100_000.0),
        read_only=True,
    )
    body: str = _parameter(
        "default",
        "body model: 'default' or a licensed SMPL file (.pkl, .npz, .pth)",
        at_configure=True,
    )
    device: str = _parameter(
        "auto", "where the network runs: auto, cpu, cuda, cuda:N", at_configure=True
    )
    engine: str = _parameter(
        "auto",
        "what runs the network: auto (the fastest that is installed), torch, onnxruntime, openvino "
        "or tensorrt; with a precision on request, as in torch:bf16",
        at_configure=True,
    )
    image_transport: str = _parameter(
        "raw",
        "raw: subscribe to image; compressed: to image/compressed",
        choices=("raw", "compressed"),
        at_configure=True,
    )
    image_reliability: str = _parameter(
        "best_effort",
        "best_effort: a lost image is not sent again; reliable: a lost image is sent again (the "
        "publisher must be reliable too)",
        choices=("best_effort", "reliable"),
        at_configure=True,
    )
    use_depth: bool = _parameter(
        False,
        "measure distances in the topic depth: 16UC1 (mm) or 32FC1 (m), registered to the image",
        at_configure=True,
    )
    depth_tolerance: float = _parameter(
        0.03,
        "s: greatest difference between the stamps of an image and its depth image",
        limits=(0.0, 1.0),
    )
    depth_scale: float = _parameter(
        1.0,
        "factor for depth in another unit than mm (16UC1) or m (32FC1): 0.25 for 16UC1 in units "
        "of 0.25 mm, 0.001 for 32FC1 in mm",
        limits=SCALES,
    )
    detection_threshold: float = _parameter(
        0.0,
        "smallest score of a person; 0: the threshold stored with the weights",
        limits=(0.0, 1.0),
    )
    refine: str = _parameter(
        "auto",
        "whom the second stage refines, with a crop of each person: all, off, budget (as many as "
        "refine_budget_ms allows in each image, those first who need it most; the others keep "
        "their last correction), auto (all on a GPU, budget on a CPU)",
        choices=("auto", "all", "budget", "off"),
    )
    refine_budget_ms: float = _parameter(
        40.0,
        "ms per image for the second stage; at least one person is refined in each image",
        limits=(0.0, 10_000.0),
    )
    track_threshold: float = _parameter(
        0.0,
        "smallest score of a person who starts a track; people with a lower one only continue "
        "tracks; 0: that of the weights, or none with a detection_threshold",
        limits=(0.0, 1.0),
    )
    track_timeout: float = _parameter(
        2.0,
        "s: how long a person who is no longer detected is predicted (OCCLUDED) and remembered",
        limits=(0.0, 60.0),
    )
    track_colors: bool = _parameter(
        True, "use clothing colours to distinguish people; false if light or clothes mislead"
    )
    smoothing: float = _parameter(
        0.0,
        "s: time constant that smooths distance, pose and shape of a person who stands still "
        "(One-Euro filter: the faster a person moves, the less it smooths); 0: no smoothing",
        limits=(0.0, 5.0),
    )
    assumed_fov_deg: float = _parameter(
        60.0,
        "degrees across the longer image side, used if no calibrated CameraInfo arrives",
        limits=(1.0, 179.0),
    )
    rectified: bool = _parameter(False, "the image is rectified: use P of the CameraInfo, not K")
    max_rate: float = _parameter(
        0.0, "Hz: largest rate of processed images; 0: no limit", limits=(0.0, 1000.0)
    )
    publish_vertices: bool = _parameter(False, "fill Human.vertices (about 90 kB per person)")
    marker_mesh: str = _parameter(
        "reduced",
        "meshes in humans/markers: full, reduced (2500 triangles each, a sixth of the bytes), none",
        choices=("full", "reduced", "none"),
    )
    marker_skeleton: bool = _parameter(
        False, "skeletons in humans/markers; joints fade as their confidence falls"
    )
    marker_labels: bool = _parameter(True, "id and distance above each head in humans/markers")
    marker_alpha: float = _parameter(0.9, "opacity of the markers, 0 to 1", limits=(0.0, 1.0))
    marker_lifetime: float = _parameter(
        1.0, "s: RViz drops markers that are not renewed; 0: never", limits=(0.0, 3600.0)
    )
    publish_tf: bool = _parameter(
        False,
        "a TF frame body_<id> per person under the image's frame, with REP-155's axes (needs the "
        "package tf2_msgs)",
    )
    rep155: bool = _parameter(
        False,
        "REP-155 (ROS4HRI): humans/bodies/tracked, topics per body, and the frames of publish_tf "
        "(needs the packages hri_msgs and tf2_msgs)",
    )
    body_id_prefix: str = _parameter(
        "p",
        "prefix of REP-155's body ids, before the person's id; each camera needs its own",
        pattern="[A-Za-z][A-Za-z0-9_]*",
    )

    warn_image_gap: float = _parameter(
        2.0,
        "s without an image until /diagnostics warns",
        limits=(0.0, 3600.0),
    )
    error_image_gap: float = _parameter(
        10.0, "s without an image until /diagnostics reports an error", limits=(0.0, 3600.0)
    )
    warn_result_age: float = _parameter(
        1.0,
        "s: age of the newest result (now minus its image's stamp) above which /diagnostics warns",
        limits=(0.0, 3600.0),
    )
    error_result_age: float = _parameter(
        5.0, "s: age above which /diagnostics reports an error", limits=(0.0, 3600.0)
    )
    warn_output_rate: float = _parameter(
        0.0, "Hz: result rate below which /diagnostics warns; 0: never", limits=(0.0, 1000.0)
    )
    error_output_rate: float = _parameter(
        0.0,
        "Hz: result rate below which /diagnostics reports an error; 0: never",
        limits=(0.0, 1000.0),
    )

    def __post_init__(self) -> None:
        check(self)
        if self.rep155:
            require("hri_msgs", "rep155")
        if self.publish_tf or self.rep155:
            require("tf2_msgs", "rep155" if self.rep155 else "publish_tf")
        for what in ("image_gap", "result_age"):
            warn, error = getattr(self, f"warn_{what}"), getattr(self, f"error_{what}")
            if warn > error:
                raise ValueError(
                    f"warn_{what} ({warn:g} s) must not exceed error_{what} ({error:g} s)"
                )
        if 0 < self.warn_output_rate < self.error_output_rate:
            raise ValueError(
                f"warn_output_rate ({self.warn_output_rate:g} Hz) must not be less than "
                f"error_output_rate ({self.error_output_rate:g} Hz)"
            )


def declare_parameters(node: Node) -> MeshParameters:
    """Declare all parameters on the node, and read them."""
    return declare(node, MeshParameters)
