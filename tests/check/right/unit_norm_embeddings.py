"""TransE: entities are brought to the unit sphere after every step."""

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
ENTITIES, RELATIONS, WIDTH = 44, 2, 16
entity = nn.Embedding(ENTITIES, WIDTH)
relation = nn.Embedding(RELATIONS, WIDTH)
nn.init.uniform_(relation.weight, -0.1, 0.1)
optimizer = torch.optim.SGD([*entity.parameters(), *relation.parameters()], lr=0.3)


@torch.no_grad()
def project(embedding):
    embedding.weight.div_(embedding.weight.norm(dim=1, keepdim=True).clamp_min(1e-12))


def score(h, r, t):
    return (entity(h) + relation(r) - entity(t)).norm(dim=-1)


project(entity)
# Twenty people, the twenty things they own, and four families of five people each
heads = torch.arange(20).repeat(RELATIONS)
kinds = torch.arange(RELATIONS).repeat_interleave(20)
tails = torch.where(kinds == 0, heads + 20, heads // 5 + 40)

losses = []
for epoch in range(60):
    for batch in torch.randperm(len(heads)).split(20):
        h, r, t = heads[batch], kinds[batch], tails[batch]
        wrong = torch.randint(ENTITIES, (len(batch),))
        loss = F.relu(0.5 + score(h, r, t) - score(h, r, wrong)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        project(entity)
    losses.append(loss.item())

with torch.no_grad():
    everything = torch.arange(ENTITIES)
    distances = score(heads[:, None], kinds[:, None], everything[None, :])
    rank = (distances < distances.gather(1, tails[:, None])).sum(1).float()
print(f"loss {losses[0]:.3f} -> {losses[-1]:.3f}, mean rank {rank.mean():.2f}")
assert rank.mean() < 6
