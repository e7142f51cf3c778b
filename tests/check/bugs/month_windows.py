import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Windows(Dataset):
    def __init__(self, series, past, ahead):
        self.series, self.past, self.ahead = series, past, ahead

    def __len__(self):
        return len(self.series) - self.past

    def __getitem__(self, i):
        x = self.series[i:i + self.past]
        y = self.series[i + self.past + self.ahead]
        return x, y


class AutoReg(nn.Module):
    def __init__(self, past):
        super().__init__()
        self.coef = nn.Linear(past, 1)

    def forward(self, x):
        return self.coef(x).squeeze(-1)


def main():
    torch.manual_seed(9)
    t = torch.arange(130.0)
    data = Windows(torch.sin(t / 5) + 0.1 * torch.randn(130), past=10, ahead=3)
    loader = DataLoader(data, batch_size=20)
    net = AutoReg(10)
    opt = torch.optim.SGD(net.parameters(), lr=0.01)
    for epoch in range(2):
        for x, y in loader:
            loss = nn.functional.mse_loss(net(x), y)
            opt.zero_grad()
            loss.backward()
            opt.step()
        print(epoch, loss.item())


if __name__ == "__main__":
    main()
