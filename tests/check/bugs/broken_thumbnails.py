import logging
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

log = logging.getLogger("thumbs")


def decode(blob):
    if blob[0] != 0x89:
        raise ValueError("bad magic number")
    return torch.tensor(list(blob[1:17]), dtype=torch.float32).view(1, 4, 4) / 255


class Thumbnails(Dataset):
    def __init__(self, blobs, labels):
        self.blobs, self.labels = blobs, labels

    def __len__(self):
        return len(self.blobs)

    def __getitem__(self, i):
        try:
            image = decode(self.blobs[i])
        except ValueError as e:
            log.info("skipping %d: %s", i, e)
            return None
        return image, self.labels[i]


torch.manual_seed(6)
blobs = [bytes([0x89] + [(i * k) % 256 for k in range(16)]) for i in range(20)]
blobs[13] = b"\x00" + blobs[13][1:]
thumbs = Thumbnails(blobs, [i % 2 for i in range(20)])
loader = DataLoader(thumbs, batch_size=5)
net = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
opt = torch.optim.Adam(net.parameters())
for epoch in range(2):
    for x, y in loader:
        loss = nn.functional.cross_entropy(net(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        print(epoch, loss.item())
