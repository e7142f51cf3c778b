import torch
from torch import nn
from torch.func import functional_call, grad, vmap


class Survey(nn.Module):
    def __init__(self, questions, hidden):
        super().__init__()
        self.inp = nn.Linear(questions, hidden)
        self.drop = nn.Dropout(0.1)
        self.out = nn.Linear(hidden, 2)

    def forward(self, x):
        return self.out(self.drop(torch.relu(self.inp(x))))


def sample_loss(params, net, x, y):
    logits = functional_call(net, params, (x.unsqueeze(0),))
    return nn.functional.cross_entropy(logits, y.unsqueeze(0))


def clipped_mean(grads, limit):
    flat = torch.cat([g.flatten(1) for g in grads.values()], 1)
    scale = (limit / flat.norm(dim=1).clamp(min=1e-6)).clamp(max=1)
    return {k: torch.einsum("n,n...->...", scale, g) / len(scale) for k, g in grads.items()}


torch.manual_seed(20)
net = Survey(10, 16)
opt = torch.optim.SGD(net.parameters(), lr=0.5)
sample_grad = vmap(grad(sample_loss), in_dims=(None, None, 0, 0))
for rnd in range(3):
    x, y = torch.randn(20, 10), torch.randint(0, 2, (20,))
    grads = sample_grad(dict(net.named_parameters()), net, x, y)
    for k, g in clipped_mean(grads, 1.0).items():
        net.get_parameter(k).grad = g + 0.01 * torch.randn_like(g)
    opt.step()
    print(rnd, nn.functional.cross_entropy(net(x), y).item())
