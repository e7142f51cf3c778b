from dataclasses import dataclass
import torch
from torch import nn


@dataclass
class Loop:
    net: nn.Module
    optimizer: torch.optim.Optimizer
    loss_fn: nn.Module

    def fit(self, loader, epochs):
        for epoch in range(epochs):
            total = 0.0
            for x, y in loader:
                y_hat = self.net(x)
                loss = self.loss_fn(y_hat, y)
                loss.backward()
                self.optimizer.step()
                total += loss.item()
            print(f"epoch {epoch}: {total / len(loader):.4f}")


torch.manual_seed(1)
weekday = torch.randint(0, 7, (96,))
x = torch.cat([nn.functional.one_hot(weekday, 7).float(), torch.randn(96, 2)], 1)
loaves = (weekday >= 5).float().unsqueeze(1) * 2 + x[:, 7:8]
loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, loaves), batch_size=24)
net = nn.Sequential(nn.Linear(9, 16), nn.ReLU(), nn.Linear(16, 1))
loop = Loop(net, torch.optim.SGD(net.parameters(), lr=0.02), nn.MSELoss())
loop.fit(loader, epochs=4)
