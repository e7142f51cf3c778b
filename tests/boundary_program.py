"""A training that touches all that is watched; with a word behind it, one thing more."""

import os
import signal
import sys
import traceback
import warnings

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Double(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, grad):
        return grad * 2


def train(net, optimizer, scaler, loader):
    for x, y in loader:
        loss = nn.functional.cross_entropy(net(Double.apply(x)), y)
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        norm = nn.utils.clip_grad_norm_(net.parameters(), 0.5)
        nn.utils.clip_grad_value_(net.parameters(), 0.1)
        scaler.step(optimizer)
        scaler.update()
        print(loss.item(), norm.item())


def special(word):
    if word == "sigint":
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            print("interrupted")
    elif word == "breakpoint":
        if "gradrepl" in sys.modules:
            breakpoint()
        print("after it")
    elif word == "input":
        try:
            print(input())
        except EOFError:
            print("nothing to read")
    elif word == "compile":
        print(torch.compile(lambda x: x * 2 + 1, backend="eager")(torch.ones(2)))


def main():
    torch.manual_seed(0)
    warnings.simplefilter("always")
    data = TensorDataset(torch.randn(6, 4), torch.tensor([0, 1, 0, 1, 0, 1]))
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    workers = DataLoader(data, batch_size=3, num_workers=1, persistent_workers=True)
    for _ in range(2):
        train(net, optimizer, scaler, DataLoader(data, batch_size=3, shuffle=True))
        train(net, optimizer, scaler, workers)
    del workers
    a, b = torch.ones(2), torch.zeros(2)
    torch.utils.swap_tensors(a, b)
    print(a, b, torch.unique(torch.tensor([2, 1, 2]))[0])
    layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True).eval()
    with torch.no_grad():
        print(layer(torch.ones(1, 2, 4)).sum().item())
    try:
        torch.ones(2) @ torch.ones(3)
    except RuntimeError:
        traceback.print_exc(file=sys.stdout)
    warnings.warn("of the program's", stacklevel=1)
    pid = os.fork()
    if not pid:
        print("child", (torch.ones(2) * 2).sum().item(), flush=True)
        os._exit(3)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
    special(sys.argv[-1])
    w = torch.ones(2, requires_grad=True)
    twice = (w * w).sum()
    twice.backward(retain_graph=True)
    twice.backward()
    print(w.grad, net[0].weight.sum().item(), torch.rand(1).item())
    sys.exit(5)


main()
