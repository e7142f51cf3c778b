import torch
import torch.nn.functional as F

torch.manual_seed(13)
N, K = 4, 11

raw = torch.zeros(N, 1, K, requires_grad=True)
with torch.no_grad():
    raw.normal_(0, 0.3)
mix = torch.full((N,), 1.0 / N)
window = torch.hamming_window(K, periodic=False)
kernel = raw * window

opt = torch.optim.SGD([raw], lr=0.1)
wave = torch.randn(6, 1, 64)
wanted = wave - wave.roll(1, -1)


def synth(x, bank):
    return (F.conv1d(x, bank, padding=K // 2) * mix[:, None]).sum(1, keepdim=True)


seen = []
for it in range(6):
    loss = F.mse_loss(synth(wave, kernel), wanted)
    opt.zero_grad()
    loss.backward(retain_graph=True)
    opt.step()
    seen.append(round(loss.item(), 6))
print(seen, raw.norm().item())
