import torch
from torch import nn


def saliency(logits, signal, target):
    score = logits.gather(1, target[:, None]).sum()
    (g,) = torch.autograd.grad(score, signal)
    return g.abs().mean((0, 1))


class Ecg(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(1, 5, 5, padding=2)
        self.head = nn.Linear(5, 2)

    def forward(self, signal):
        return self.head(torch.relu(self.conv(signal)).amax(-1))


def main(steps=3):
    torch.manual_seed(16)
    net = Ecg()
    opt = torch.optim.Adam(net.parameters(), lr=1e-2)
    for step in range(steps):
        signal = torch.randn(12, 1, 30).requires_grad_()
        target = (signal.detach().amax((1, 2)) > 2).long()
        logits = net(signal)
        loss = nn.functional.cross_entropy(logits, target)
        opt.zero_grad()
        loss.backward()
        opt.step()
        sal = saliency(logits, signal, target)
        print(step, loss.item(), sal.argmax().item())


main()
