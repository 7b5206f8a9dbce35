"""Times the vectorised contrastive loss against plain Python loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch.nn.functional import cosine_similarity

from benchmarks.report import Row, Section
from benchmarks.timing import Spread, interleaved, timed
from icl_mesh.network import IclMeshNetwork, build_network
from icl_mesh_training.losses.contrastive import contrastive_loss

IMAGES, PEOPLE, JOINTS, CHANNELS = 16, 10, 24, 64


class Features(NamedTuple):
    """Features of a batch before the projectors. center: [N, C]. joint: [N, J, C]. labelled: bool
    [N, J]. image: of each person, int64 [N]."""

    center: torch.Tensor
    joint: torch.Tensor
    labelled: torch.Tensor
    image: torch.Tensor


def measure_losses(repetitions: int, images: int = IMAGES, people: int = PEOPLE) -> Section:
    """Times of forward and backward passes, with projectors, of both implementations."""
    network = build_network("mobilenet_v2", head_width=0.5)
    features = random_features(images, people)
    both = {"vectorised": vectorised_loss, "loops": looped_loss}
    check_equal(network, features)

    def step(loss: Callable[[IclMeshNetwork, Features], torch.Tensor]) -> Callable[[], None]:
        def run() -> None:
            for tensor in (*network.parameters(), features.center, features.joint):
                tensor.grad = None
            loss(network, features).backward()

        return run

    cases = {name: timed(step(loss), "time") for name, loss in both.items()}
    measured = interleaved(cases, repetitions, warm_up=1)
    fast, slow = measured["vectorised"]["time"], measured["loops"]["time"]
    names = {
        "icl_mesh_training.losses.contrastive.contrastive_loss": fast,
        "Python loops, one projector call per joint": slow,
    }
    rows = [
        Row(
            {"what": name},
            {"time (ms)": Spread.of(time), "loops over this": Spread.of(slow / time)},
        )
        for name, time in names.items()
    ]
    note = (
        f"{images} images x {people} people x {JOINTS} joints, push + pull, forward and backward, "
        f"projectors included; both give the same value. Repetitions: {repetitions}."
    )
    return Section("contrastive_loss", "Contrastive loss", note, rows)


def random_features(images: int, people: int) -> Features:
    """Normally distributed features that require gradients; 80 % of joints are labelled."""
    generator = torch.Generator().manual_seed(0)
    count = images * people
    center = torch.randn(count, CHANNELS, generator=generator).requires_grad_()
    joint = torch.randn(count, JOINTS, CHANNELS, generator=generator).requires_grad_()
    labelled = torch.rand(count, JOINTS, generator=generator) < 0.8
    return Features(center, joint, labelled, torch.arange(images).repeat_interleave(people))


def vectorised_loss(network: IclMeshNetwork, features: Features) -> torch.Tensor:
    """push + pull of the training."""
    center = network.project_center(features.center)
    joint = network.project_joint(features.joint)
    push, pull = contrastive_loss(center, joint, features.labelled, features.image)
    return push + pull


def looped_loss(network: IclMeshNetwork, features: Features) -> torch.Tensor:
    """push + pull as in the paper, with loops over images, people, pairs and joints."""
    pushes, pulls = [], []
    for image in features.image.unique().tolist():
        people = (features.image == image).nonzero()[:, 0].tolist()
        centers = [network.project_center(features.center[n]) for n in people]
        pairs = [
            1 + cosine_similarity(centers[a], centers[b], dim=0)
            for a in range(len(people))
            for b in range(a + 1, len(people))
        ]
        if pairs:
            pushes.append(torch.stack(pairs).mean())
        own = []
        for n, center in zip(people, centers, strict=True):
            distances = [
                1 - cosine_similarity(center, network.project_joint(features.joint[n, j]), dim=0)
                for j in range(JOINTS)
                if features.labelled[n, j]
            ]
            if distances:
                own.append(torch.stack(distances).mean())
        pulls.append(torch.stack(own).mean())
    return torch.stack(pushes).mean() + torch.stack(pulls).mean()


def check_equal(network: IclMeshNetwork, features: Features) -> None:
    """Raise RuntimeError unless both implementations agree."""
    with torch.no_grad():
        fast, slow = vectorised_loss(network, features), looped_loss(network, features)
    if not torch.isclose(fast, slow, rtol=1e-4):
        raise RuntimeError(f"the two losses differ: {fast.item()} and {slow.item()}")
