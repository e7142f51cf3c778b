import torch
from torch import nn
import torch.nn.functional as F


class Gauge(nn.Module):
    """Tomorrow's rain from what fell upstream."""

    def __init__(self, stations):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(stations))
        self.wet = nn.Linear(stations, 1)
        self.mean = nn.Linear(stations, 1)

    def forward(self, upstream):
        amount = F.softplus(self.gain) * upstream
        logs = torch.where(amount > 0, torch.log(amount), torch.zeros_like(amount))
        return self.wet(amount).squeeze(1), self.mean(logs).squeeze(1)


def likelihood(wet, mean_log, rain):
    rainy = rain > 0
    bern = F.binary_cross_entropy_with_logits(wet, rainy.float())
    amount = (mean_log[rainy] - rain[rainy].log()).square().mean()
    return bern + amount


def main(days=50, epochs=3):
    torch.manual_seed(2)
    upstream = F.relu(torch.randn(days, 4))
    rain = F.relu(upstream.mean(1) - 0.3)
    gauge = Gauge(4)
    opt = torch.optim.Adam(gauge.parameters(), lr=1e-2)
    for e in range(epochs):
        loss = likelihood(*gauge(upstream), rain)
        opt.zero_grad()
        loss.backward()
        opt.step()
        print(e, loss.item(), gauge.gain.tolist())


main()
