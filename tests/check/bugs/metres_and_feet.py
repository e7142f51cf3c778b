import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Heights(Dataset):
    def __init__(self, n=50, seed=4):
        rng = np.random.default_rng(seed)
        feet = rng.uniform(4.5, 6.8, size=(n, 1))
        kilos = 22 * (feet * 0.3048) ** 2 + rng.normal(0, 4, size=(n, 1))
        self.table = np.hstack([feet * 0.3048, rng.integers(0, 2, size=(n, 1)), kilos])

    def __len__(self):
        return len(self.table)

    def __getitem__(self, i):
        row = torch.from_numpy(self.table[i])
        return row[:2], row[2:]


torch.manual_seed(16)
loader = DataLoader(Heights(), batch_size=10, shuffle=True)
model = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1))
opt = torch.optim.Adam(model.parameters(), lr=0.05)
for epoch in range(3):
    for x, y in loader:
        loss = nn.functional.mse_loss(model(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
    print(epoch, loss.item())
