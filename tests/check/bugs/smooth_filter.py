import torch
import torch.nn.functional as F

torch.manual_seed(18)


def second_difference(w):
    return w[2:] - 2 * w[1:-1] + w[:-2]


def convolve(signal, taps):
    return F.conv1d(signal.unsqueeze(1), taps.view(1, 1, -1), padding=len(taps) // 2).squeeze(1)


n_taps = 9
taps = torch.zeros(n_taps, requires_grad=True)
true = torch.hann_window(n_taps, periodic=False)
opt = torch.optim.SGD([taps], lr=0.05, momentum=0.8)

rough = second_difference(taps + 0.01 * torch.randn(n_taps)).square().sum()
for it in range(4):
    signal = torch.randn(16, 40)
    heard = convolve(signal, true) + 0.05 * torch.randn(16, 40)
    fit = F.mse_loss(convolve(signal, taps), heard)
    loss = fit + 0.1 * rough
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(it, fit.item(), rough.item())
