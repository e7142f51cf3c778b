"""Federated averaging: state dicts are averaged by the number of samples, buffers too."""

import copy

import torch
from torch import nn

torch.manual_seed(0)


def make_client(n, shift):
    x = torch.randn(n, 4) + shift
    return x, (x[:, 0] + x[:, 1] > 2 * x[:, 2]).long()


def local_update(server, x, y, epochs=2):
    model = copy.deepcopy(server).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(20):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
            optimizer.step()
    return model.state_dict(), len(x)


def average(updates):
    total = sum(n for _, n in updates)
    mean = {}
    for key, value in updates[0][0].items():
        if value.is_floating_point():
            mean[key] = sum(state[key] * (n / total) for state, n in updates)
        else:
            mean[key] = torch.stack([state[key] for state, _ in updates]).amax(0)
    return mean


clients = [make_client(60, 0.3), make_client(100, -0.3), make_client(40, 0.0)]
server = nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 2))
test_x, test_y = make_client(500, 0.0)
for round_ in range(5):
    updates = [local_update(server, x, y) for x, y in clients]
    server.load_state_dict(average(updates))
    server.eval()
    with torch.no_grad():
        accuracy = (server(test_x).argmax(1) == test_y).float().mean().item()
    print(f"round {round_}: accuracy {accuracy:.3f}")
assert accuracy > 0.9
assert all(p.grad is None for p in server.parameters())
