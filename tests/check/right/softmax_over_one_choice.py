"""A masked policy: in some states only one action is legal, and the softmax is over one class."""

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
STATES, ACTIONS = 6, 4
legal = torch.rand(STATES, ACTIONS) < 0.6
legal[0] = torch.tensor([False, False, True, False])  # forced
legal[1] = True
legal[torch.arange(2, STATES), torch.randint(ACTIONS, (STATES - 2,))] = True
value = torch.randn(STATES, ACTIONS)
value[~legal] = -9.0
best = value.argmax(1)

policy = nn.Sequential(nn.Linear(STATES, 24), nn.ReLU(), nn.Linear(24, ACTIONS))
optimizer = torch.optim.Adam(policy.parameters(), lr=1e-2)


def distribution(states):
    logits = policy(F.one_hot(states, STATES).float())
    logits = logits.masked_fill(~legal[states], torch.finfo(logits.dtype).min)
    return torch.distributions.Categorical(logits=logits)


for step in range(200):
    # The curriculum begins with the forced state alone: nothing is to be learnt in it.
    states = torch.zeros(32, dtype=torch.long) if step < 3 else torch.randint(STATES, (32,))
    d = distribution(states)
    actions = d.sample()
    reward = (actions == best[states]).float()
    loss = -(d.log_prob(actions) * (reward - 0.5)).mean() - 0.01 * d.entropy().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

with torch.no_grad():
    d = distribution(torch.arange(STATES))
print("probability of the best:", [round(p, 2) for p in d.log_prob(best).exp().tolist()])
assert d.log_prob(best).exp().mean() > 0.8
