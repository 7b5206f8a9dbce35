"""A GPU without memory: the CPU, or one clear error."""

import pytest
import torch

from icl_mesh.engine import device
from icl_mesh.engine.onnx_model import export_onnx
from icl_mesh.engine.onnxruntime_engine import OnnxRuntimeEngine

SIZE = 64  # of the fixture images


def _in_words(text):
    """The libraries' errors: ONNX Runtime's own types derive from Exception alone."""
    return type("RuntimeException", (Exception,), {})(text)


NO_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
    RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be reported elsewhere"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    _in_words(
        "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Non-zero status code returned while "
        "running Conv node. BFCArena::AllocateRawInternal(size_t, bool) Failed to allocate "
        "memory for requested buffer of size 33554432"
    ),
    _in_words("CUDA failure 2: out of memory ; GPU=0"),
    RuntimeError("TensorRT: out of memory on cuda:0 for the network's activations"),
]


@pytest.mark.parametrize("error", NO_MEMORY, ids=lambda error: str(error)[:30])
@pytest.mark.parametrize("moment", ["load", "run"])
def test_a_gpu_without_memory(caplog, error, moment) -> None:
    class Hungry:
        def __init__(self, device):
            self.device = device
            if moment == "load":
                self.fail()

        def __call__(self, image):
            self.fail()

        def fail(self):
            if self.device.type == "cuda":
                raise error

    gpu = torch.device("cuda:0")
    chosen = device.on_gpu_or_cpu(Hungry, gpu, may_fall_back=True)
    assert chosen.device.type == "cpu"
    said = str(error).splitlines()[0]
    assert f"cuda:0 has too little free memory for the network ({said}): the CPU" in caplog.text
    with pytest.raises(ValueError, match=r"too little free memory .* or use device cpu"):
        device.on_gpu_or_cpu(Hungry, gpu, may_fall_back=False)


def test_other_errors_of_a_gpu_are_not_taken_for_a_lack_of_memory() -> None:
    def make(on):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    with pytest.raises(RuntimeError, match="illegal memory access"):
        device.on_gpu_or_cpu(make, torch.device("cuda:0"), may_fall_back=True)


class _Session:
    """A fake onnxruntime session that runs out of GPU memory when created, or run."""

    fails_at = "load"

    def __init__(self, model, options, providers):
        self.providers = [name for name, _ in providers]
        self.fail("load")

    def fail(self, moment):
        if self.fails_at == moment:
            raise NO_MEMORY[3]

    def get_providers(self):
        return self.providers

    def io_binding(self):
        self.fail("run")
        raise AssertionError("nothing more is needed of it")


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["load", "run"])
def test_onnxruntime_on_a_gpu_without_memory(network, monkeypatch, caplog, moment) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    providers = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: providers)
    monkeypatch.setattr(_Session, "fails_at", moment)
    real = onnxruntime.InferenceSession

    def session(model, options, providers):
        kind = _Session if providers[0][0].startswith("CUDA") else real
        return kind(model, options, providers=providers)

    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    # The second step is torch's, which may be built without CUDA here.
    monkeypatch.setattr("icl_mesh.engine.onnxruntime_engine.EagerPeople", lambda *_: None)
    models = export_onnx(network, SIZE)

    class Model:
        def __init__(self, on):
            self.engine = OnnxRuntimeEngine(models, network, on)

        def __call__(self, image):
            self.engine(torch.zeros(1, 3, SIZE, SIZE))

    chosen = device.on_gpu_or_cpu(Model, torch.device("cuda:0"), may_fall_back=True)
    assert chosen.engine.device.type == "cpu"
    assert "Failed to allocate memory for requested buffer" in caplog.text
    with pytest.raises(ValueError, match=r"cuda:0 has too little free memory .* or use device cpu"):
        device.on_gpu_or_cpu(Model, torch.device("cuda:0"), may_fall_back=False)
