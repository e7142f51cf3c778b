import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Tiles(Dataset):
    """Each 8 x 8 map is cut into four tiles."""

    def __init__(self, maps):
        self.maps = maps

    def __len__(self):
        return len(self.maps)

    def __getitem__(self, i):
        if not 0 <= i < 4 * len(self.maps):
            raise IndexError(i)
        m, quarter = divmod(i, 4)
        r, c = divmod(quarter, 2)
        tile = self.maps[m, 4 * r:4 * r + 4, 4 * c:4 * c + 4]
        return i, tile, tile.mean()


torch.manual_seed(10)
data = Tiles(torch.rand(12, 8, 8))
loader = DataLoader(data, batch_size=6, shuffle=True)
net = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 1), nn.Flatten(0))
opt = torch.optim.Adam(net.parameters(), lr=5e-3)
top = 0
for epoch in range(4):
    for i, tile, height in loader:
        loss = nn.functional.mse_loss(net(tile), height)
        opt.zero_grad()
        loss.backward()
        opt.step()
        top = max(top, int(i.max()))
    print(epoch, loss.item())
print("max index", top)
