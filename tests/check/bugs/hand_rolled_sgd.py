import math
import torch


def init(fan_in, fan_out):
    return torch.randn(fan_in, fan_out, requires_grad=True) * math.sqrt(2 / fan_in)


def forward(params, x):
    W1, b1, W2, b2 = params
    return torch.relu(x @ W1 + b1) @ W2 + b2


def descend(params, lr):
    with torch.no_grad():
        for p in params:
            p -= lr * p.grad
            p.grad = None


torch.manual_seed(8)
W1, b1 = init(4, 10), torch.zeros(10, requires_grad=True)
W2, b2 = init(10, 1), torch.zeros(1, requires_grad=True)
params = [W1, b1, W2, b2]
x = torch.randn(50, 4)
y = x.prod(1, keepdim=True)
for t in range(4):
    loss = (forward(params, x) - y).pow(2).mean()
    loss.backward()
    descend(params, 0.05)
    print(t, loss.item())
