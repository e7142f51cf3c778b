"""The four training steps that every speed claim is measured on.

W1 is all overhead, W2 and W3 are all arithmetic, W4 is one long chain: whatever a hook costs, it
shows in W1 and W4. One thread, so that CPU time means something. Run this file to see the sizes.
"""

import statistics
import time
from collections.abc import Callable
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.graph import Node

Step = Callable[[], Tensor]
"""One forward, backward and optimizer step; returns the loss, whose graph can still be walked."""


def count_nodes(loss: Tensor) -> int:
    """Count the nodes of the graph that the backward of `loss` visits, AccumulateGrad included."""
    assert loss.grad_fn is not None
    seen: set[Node] = {loss.grad_fn}
    queue = [loss.grad_fn]
    for node in queue:
        for following, _ in node.next_functions:
            if following is not None and following not in seen:
                seen.add(following)
                queue.append(following)
    return len(seen)


def mlp() -> Step:
    """W1: three linear layers, batch 64; 16 nodes."""
    _settle()
    model = nn.Sequential(
        nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10)
    )
    inputs, labels = torch.randn(64, 64), torch.randint(10, (64,))
    return _training_step(model, lambda: F.cross_entropy(model(inputs), labels))


def resnet() -> Step:
    """W2: a network like ResNet-18 on 8x3x64x64; 133 nodes."""
    _settle()
    model = ResNet18()
    images, labels = torch.randn(8, 3, 64, 64), torch.randint(10, (8,))
    return _training_step(model, lambda: F.cross_entropy(model(images), labels))


def transformer() -> Step:
    """W3: six pre-norm transformer layers, d 256, T 128, batch 4; 365 nodes."""
    _settle()
    model = Transformer(vocabulary=1000, width=256, heads=8, depth=6, length=128)
    tokens = torch.randint(1000, (4, 129))
    return _training_step(
        model,
        lambda: F.cross_entropy(model(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten()),
    )


def rnn() -> Step:
    """W4: an RNN cell unrolled over 500 steps; 3,006 nodes."""
    _settle()
    cell = nn.RNNCell(32, 64)
    inputs, labels = torch.randn(500, 16, 32), torch.randint(64, (16,))

    def forward() -> Tensor:
        state = torch.zeros(16, 64)
        for frame in inputs:
            state = cell(frame, state)
        return F.cross_entropy(state, labels)

    return _training_step(cell, forward)


WORKLOADS: dict[str, Callable[[], Step]] = {
    "W1": mlp,
    "W2": resnet,
    "W3": transformer,
    "W4": rnn,
}

# How many nodes each graph has; another torch may build them a little differently.
NODES = {"W1": 16, "W2": 133, "W3": 365, "W4": 3006}


class BasicBlock(nn.Module):
    """Two convolutions beside a shortcut, as in He et al. 2015."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential()
        if inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class ResNet18(nn.Module):
    """The ImageNet stem, four stages of two blocks, a linear head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        widths = [64, 64, 64, 128, 128, 256, 256, 512, 512]
        self.blocks = nn.Sequential(
            *(
                BasicBlock(before, after, stride=1 if before == after else 2)
                for before, after in pairwise(widths)
            )
        )
        self.head = nn.Linear(512, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.stem(x)).mean(dim=(2, 3)))


class TransformerLayer(nn.Module):
    """Pre-norm attention and a four times wider feed-forward, both added to the stream."""

    def __init__(self, width: int, heads: int, length: int) -> None:
        super().__init__()
        self.heads = heads
        self.register_buffer("future", torch.ones(length, length, dtype=torch.bool).triu(1))
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        qkv = self.qkv(self.norm1(x)).view(batch, length, 3, self.heads, -1)
        query, key, value = qkv.transpose(1, 3).unbind(2)
        scores = query @ key.transpose(2, 3) * (width // self.heads) ** -0.5
        mixed = scores.masked_fill(self.future, float("-inf")).softmax(dim=-1) @ value
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, length, width))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class Transformer(nn.Module):
    """A small language model: embeddings, layers, a final norm and a linear head."""

    def __init__(self, vocabulary: int, width: int, heads: int, depth: int, length: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.places = nn.Embedding(length, width)
        self.layers = nn.Sequential(*(TransformerLayer(width, heads, length) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary)

    def forward(self, tokens: Tensor) -> Tensor:
        places = torch.arange(tokens.shape[1])
        return self.head(self.norm(self.layers(self.tokens(tokens) + self.places(places))))


def _settle() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)


def _training_step(model: nn.Module, forward: Step) -> Step:
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)

    def step() -> Tensor:
        optimizer.zero_grad()
        loss = forward()
        loss.backward()
        optimizer.step()
        return loss

    return step


def _main() -> None:
    for build in WORKLOADS.values():
        step = build()
        nodes = count_nodes(step())
        times = []
        for _ in range(15):
            start = time.process_time()
            step()
            times.append(time.process_time() - start)
        print(f"{nodes:5} nodes  {1000 * statistics.median(times):7.2f} ms  {build.__doc__}")


if __name__ == "__main__":
    _main()
