import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset


class Passes(IterableDataset):
    def __init__(self, images, clouds, limit=0.6):
        self.images, self.clouds, self.limit = images, clouds, limit

    def __len__(self):
        return len(self.images)

    def __iter__(self):
        for image, cloud in zip(self.images, self.clouds):
            if cloud > self.limit:
                continue
            yield image, image.mean()


def main():
    torch.manual_seed(16)
    passes = Passes(torch.rand(80, 9), torch.rand(80))
    loader = DataLoader(passes, batch_size=8)
    net = nn.Sequential(nn.Linear(9, 12), nn.ReLU(), nn.Linear(12, 1), nn.Flatten(0))
    opt = torch.optim.SGD(net.parameters(), lr=0.1)
    total = 2 * len(loader)
    sched = torch.optim.lr_scheduler.LinearLR(opt, 1.0, 0.0, total_iters=total)
    for epoch in range(2):
        seen = 0
        for x, y in loader:
            loss = nn.functional.mse_loss(net(x), y)
            opt.zero_grad()
            loss.backward()
            opt.step()
            sched.step()
            seen += 1
        print(epoch, "seen", seen, "of", len(loader), "lr", round(sched.get_last_lr()[0], 4))


main()
