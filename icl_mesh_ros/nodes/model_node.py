"""A managed node whose model can change while it runs, by ~/update_model or by parameter."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from rcl_interfaces.msg import SetParametersResult
from rclpy.parameter import Parameter

from icl_mesh.io.wording import shown
from icl_mesh_ros.logging.failures import reason
from icl_mesh_ros.nodes.managed_node import ManagedNode
from icl_mesh_ros.outputs.publishers import Outputs
from icl_mesh_ros.parameters.fields import fixed_while_configured
from icl_mesh_ros.parameters.mesh_node import MeshParameters, declare_parameters
from icl_mesh_ros.pipeline.frame import FrameProcessor
from icl_mesh_ros.pipeline.load_limits import TimeLimit, check_memory, confined
from icl_mesh_ros.pipeline.model_store import ModelStore, SharedModel, release_memory
from icl_mesh_ros.srv import UpdateModel

#: How long a transition waits for the current image.
FRAME_PATIENCE_S = 30.0


@dataclass
class Loaded:
    """What the node holds from configure to cleanup."""

    model: SharedModel
    processor: FrameProcessor
    outputs: Outputs

    def announce(self) -> None:
        """Publish the latched message about body and weights."""
        self.outputs.announce(self.model.body, self.model.weights_version)

    def facts(self) -> dict[str, str]:
        """Key-value pairs for /diagnostics."""
        return {
            "weights": self.model.weights_version,
            "body": self.model.body.name,
            "engine": self.model.engine_text,
        }


class ModelNode(ManagedNode):
    """Holds parameters, model and publishers; subclasses process images.

    Requests (transitions, parameters, model updates) run one after the other in the node's default
    callback group.
    """

    def __init__(
        self,
        name: str,
        *,
        namespace: str | None = None,
        models: ModelStore | None = None,
        cli_args: list[str] | None = None,
        parameter_overrides: list[Parameter] | None = None,
    ) -> None:
        """models: shared with other nodes of the process."""
        self._loaded: Loaded | None = None
        super().__init__(
            name,
            namespace=namespace,
            cli_args=cli_args,
            parameter_overrides=parameter_overrides,
        )
        self._settings = declare_parameters(self)
        self._models = models or ModelStore()
        self._time_limit: TimeLimit[SharedModel] = TimeLimit()
        self._frame_lock = threading.Lock()  # held while an image is processed
        self.create_service(UpdateModel, "~/update_model", self._on_update_model)
        self.add_on_set_parameters_callback(self._on_set_parameters)

    @abstractmethod
    def make_processor(self, model: SharedModel) -> FrameProcessor:
        """A frame processor that uses the model."""

    def configure(self) -> None:
        """Load weights and body; announce the body."""
        model = self._load_model(self._settings)
        self._loaded = Loaded(model, self.make_processor(model), Outputs(self))
        self._loaded.announce()

    def cleanup(self) -> None:
        """Destroy the publishers, and release the model and its memory."""
        loaded, self._loaded = self._loaded, None
        if loaded is not None:
            device = loaded.model.device
            loaded.outputs.destroy()
            del loaded
            release_memory(device)

    def _load_model(self, settings: MeshParameters) -> SharedModel:
        weights = confined(settings.weights, settings.weights_folder)
        return self._models.load(weights, settings.body, settings.device, settings.engine)

    def _load_within_limits(self, settings: MeshParameters) -> SharedModel:
        """Load the model for a request: anybody on the network can send one."""
        what, limit_s = f"weights '{settings.weights[:200]}'", settings.update_time_limit
        if not limit_s:
            raise ValueError(
                f"{what}: update_time_limit is 0, so weights are not changed while the node is "
                "configured: restart it with them"
            )

        def load() -> SharedModel:
            weights = confined(settings.weights, settings.weights_folder)
            check_memory(weights, settings.update_memory_limit)
            return self._load_model(settings)

        return self._time_limit(load, limit_s, what)

    def _change_model(self, loaded: Loaded, settings: MeshParameters) -> None:
        """Load the new model while the old one runs, then replace it between two images."""
        old = shown(loaded.model.weights_version)
        try:
            model = self._load_within_limits(settings)
        except Exception as error:
            self.get_logger().warning(f"weights stay {old}: {reason(error)}")
            raise
        if model is loaded.model:
            return
        with self._between_frames():
            loaded.model = model
            loaded.processor.use(model)
            loaded.announce()
        release_memory(model.device)
        self.get_logger().info(f"weights {old} -> {shown(model.weights_version)}")

    @contextmanager
    def _between_frames(self) -> Iterator[None]:
        """Wait for the current image, and block the next one meanwhile."""
        if not self._frame_lock.acquire(timeout=FRAME_PATIENCE_S):
            raise TimeoutError(f"an image is still worked on after {FRAME_PATIENCE_S:g} s")
        try:
            yield
        finally:
            self._frame_lock.release()

    def _on_update_model(
        self, request: UpdateModel.Request, response: UpdateModel.Response
    ) -> UpdateModel.Response:
        if self._loaded is None:
            response.message = "not configured: set the parameter weights, then configure"
            return response
        old = self._loaded.model.weights_version
        result = self.set_parameters([Parameter("weights", value=request.weights)])[0]
        new = response.weights_version = self._loaded.model.weights_version
        response.success = result.successful
        response.message = f"{shown(old)} -> {shown(new)}" if result.successful else result.reason
        return response

    def _on_set_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        known = {p.name: p.value for p in changes if hasattr(self._settings, p.name)}
        try:
            settings = replace(self._settings, **known)
            if self._loaded is not None:
                if fixed := fixed_while_configured(self._settings, settings):
                    raise ValueError(
                        f"{', '.join(fixed)} cannot change while the node is configured: clean it "
                        "up first, or restart it"
                    )
                if "weights" in known:
                    self._change_model(self._loaded, settings)
        except Exception as error:  # an uncaught one would end the process
            return SetParametersResult(successful=False, reason=reason(error))
        self._settings = settings
        return SetParametersResult(successful=True)
