"""An ensemble, trained at once: stacked states, functional_call under vmap."""

import copy

import torch
from torch import nn
from torch.func import functional_call, stack_module_state, vmap

torch.manual_seed(0)
MEMBERS = 5
members = [nn.Sequential(nn.Linear(1, 24), nn.Tanh(), nn.Linear(24, 1)) for _ in range(MEMBERS)]
skeleton = copy.deepcopy(members[0]).to("meta")
parameters, buffers = stack_module_state(members)
optimizer = torch.optim.Adam(parameters.values(), lr=2e-2)


def forward(p, b, x):
    return functional_call(skeleton, (p, b), (x,))


x = torch.rand(128, 1) * 4 - 2
y = torch.sin(2 * x) + 0.05 * torch.randn_like(x)
for step in range(300):
    # Each member has a sample of its own; dimension 0 is the member.
    index = torch.randint(128, (MEMBERS, 64))
    prediction = vmap(forward)(parameters, buffers, x[index])
    loss = (prediction - y[index]).square().mean(dim=(1, 2)).sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

with torch.no_grad():
    grid = torch.tensor([[0.5], [6.0]])
    draws = vmap(forward, in_dims=(0, 0, None))(parameters, buffers, grid).squeeze(-1)
    for i, member in enumerate(members):
        member.load_state_dict({k: p[i] for k, p in parameters.items()})
    assert torch.allclose(members[2](grid).squeeze(-1), draws[2], atol=1e-6)
mean, std = draws.mean(0), draws.std(0)
print(f"inside {mean[0]:.2f} +- {std[0]:.2f}, outside {mean[1]:.2f} +- {std[1]:.2f}")
assert abs(mean[0].item() - 0.84) < 0.15 and std[1] > std[0]
