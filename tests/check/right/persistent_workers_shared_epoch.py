"""A curriculum: the epoch reaches persistent workers through a tensor in shared memory."""

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Curriculum(Dataset):
    def __init__(self, n):
        self.x = torch.randn(n, 4)
        self.difficulty = torch.zeros(()).share_memory_()

    def set_epoch(self, epoch):
        self.difficulty.fill_(0.2 * epoch)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        generator = torch.Generator().manual_seed(i)
        noise = self.difficulty * torch.randn(4, generator=generator)
        return self.x[i] + noise, self.x[i, :1], self.difficulty.clone()


def main():
    torch.manual_seed(0)
    dataset = Curriculum(128)
    loader = DataLoader(
        dataset, batch_size=32, shuffle=True, num_workers=1, persistent_workers=True
    )
    model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-2)
    levels = []
    for epoch in range(4):
        dataset.set_epoch(epoch)
        for x, y, level in loader:
            loss = nn.functional.mse_loss(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        levels.append(round(level[0].item(), 1))
        print(f"epoch {epoch}: difficulty {levels[-1]} loss {loss.item():.3f}")
    assert levels == [0.0, 0.2, 0.4, 0.6]


if __name__ == "__main__":
    main()
