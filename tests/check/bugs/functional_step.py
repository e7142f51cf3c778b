import torch
from torch import nn
from torch.func import functional_call, grad_and_value


def update(params, grads, lr):
    return {k: p - lr * grads[k] for k, p in params.items()}


torch.manual_seed(18)
net = nn.Sequential(nn.Linear(3, 12), nn.Tanh(), nn.Linear(12, 1))
x = torch.randn(64, 3)
y = x[:, :1] * x[:, 1:2]


def predict(params, x):
    return functional_call(net, params, (x,))


def loss_of(params, x, y):
    return nn.functional.mse_loss(net(x), y)


params = {k: v.detach().clone() for k, v in net.named_parameters()}
step = grad_and_value(loss_of)
for it in range(5):
    grads, value = step(params, x, y)
    params = update(params, grads, lr=0.1)
    with torch.no_grad():
        check = nn.functional.mse_loss(predict(params, x), y)
    print(it, value.item(), check.item())
