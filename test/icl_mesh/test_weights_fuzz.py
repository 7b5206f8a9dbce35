"""2,000 damaged and hostile weights files: one sentence, or a result like the original's."""

import copy
import json
import random

import pytest
import torch

from icl_mesh import weights as weights_module
from icl_mesh.io.tensor_files import header_digest
from icl_mesh.weights import load_weights, save_weights

METADATA = {"input_size": 256, "body": "test body", "metrics": {"f1": 0.5}}
MUTATIONS = 2000
HOSTILE = [
    *("", "0", "-1", "nan", "inf", "1e400", "9" * 5000, "8192", "31", "256.0", "\x00", "\n", "ü"),
    *(
        "[" * 100_000,
        "{" * 50,
        '{"a":' * 2000,
        "null",
        "resnet50",
        "../../etc/passwd",
        "a" * 10_000,
    ),
]
STRUCTURES = [
    None,
    [],
    {},
    -1,
    2**63,
    1.5,
    "x",
    [-1],
    [2**40, 2**40],
    [0, 2**63],
    "I32",
    "F64",
    "BF16",
]


class _Tiny(torch.nn.Module):
    """A small replacement of a network: its file has a kilobyte."""

    def __init__(self, *_) -> None:
        super().__init__()
        self.config = {"architecture": "mobilenet_v2", "head_width": 0.25, "smpl_width": 0.25}
        self.layer = torch.nn.Linear(8, 4)
        self.norm = torch.nn.BatchNorm1d(4)

    def add_parts_of(self, names) -> None:
        """It has none."""


def with_header(content: bytes, change, *, forged: bool) -> bytes:
    """The file with its header changed; forged: with a checksum that fits."""
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    change(header)
    if forged and isinstance(header.get("__metadata__"), dict):
        digest = header_digest(header)
        header["__metadata__"]["header_sha256"] = digest
    encoded = json.dumps(header).encode()
    return len(encoded).to_bytes(8, "little") + encoded + content[end:]


def mutated(content: bytes, random: random.Random) -> bytes:
    data = bytearray(content)
    kind = random.randrange(7)
    if kind == 0:  # bits
        for _ in range(random.randint(1, 4)):
            data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    elif kind == 1:  # bits of the header, where all meaning is
        data[random.randrange(8 + int.from_bytes(data[:8], "little"))] ^= 1 << random.randrange(8)
    elif kind == 2:
        del data[random.randrange(len(data)) :]
    elif kind == 3:
        at = random.randrange(len(data))
        data[at:at] = random.randbytes(random.randint(1, 50))
    elif kind == 4:
        data[:8] = random.choice([0, 1, 2**31, 2**63, 2**64 - 1, len(data)]).to_bytes(8, "little")
    else:

        def change(header) -> None:
            if kind == 5:
                text = header["__metadata__"]
                key = random.choice([*text, "another"])
                text[key] = random.choice(HOSTILE + STRUCTURES)
                if random.random() < 0.2:
                    del text[key]
                return
            name = random.choice([name for name in header if name != "__metadata__"])
            entry = header[name]
            if random.random() < 0.3:
                header[random.choice([name * 500, "\x1b[2J", ""])] = header.pop(name)
            else:
                entry[random.choice(list(entry))] = copy.deepcopy(random.choice(STRUCTURES))

        return with_header(content, change, forged=random.random() < 0.7)
    return bytes(data)


def test_mutations_are_refused_in_a_sentence_or_change_nothing(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(weights_module, "build_network", _Tiny)
    path = tmp_path / "net.safetensors"
    torch.manual_seed(0)
    save_weights(path, _Tiny(), METADATA)
    content = path.read_bytes()
    original, _ = load_weights(path)
    seeded, refused = random.Random(13), 0
    for number in range(MUTATIONS):
        path.write_bytes(mutated(content, seeded))
        try:
            network, metadata = load_weights(path)
        except ValueError as error:
            refused += 1
            text = str(error)
            assert text.startswith(str(path)), (number, text)
            assert len(text) < 1000, (number, text)
            assert text.isprintable(), (number, text)
        else:
            assert metadata["input_size"] <= 2048
            for key, value in network.state_dict().items():
                assert torch.equal(value, original.state_dict()[key]), (number, key)
    assert refused > 0.8 * MUTATIONS


@pytest.mark.parametrize("forged", [False, True])
def test_a_network_as_it_is_with_a_hostile_input_size(tmp_path, forged) -> None:
    from icl_mesh.network import build_network

    path = tmp_path / "net.safetensors"
    save_weights(path, build_network("mobilenet_v2", 0.125), METADATA)

    def change(header) -> None:
        header["__metadata__"]["input_size"] = "8192" if forged else "1024"

    path.write_bytes(with_header(path.read_bytes(), change, forged=forged))
    said = "input_size must be at most 2048, got 8192" if forged else "damaged: its header does"
    with pytest.raises(ValueError, match=f"{path}: .*{said}"):
        load_weights(path)
