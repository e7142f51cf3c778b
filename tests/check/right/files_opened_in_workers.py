"""Records read from one binary file; each worker opens a handle of its own at its first read."""

import os
import struct
import tempfile

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

RECORD = struct.Struct("3f")


class Records(Dataset):
    def __init__(self, path):
        self.path = path
        self.length = os.path.getsize(path) // RECORD.size
        self.file = None

    def __len__(self):
        return self.length

    def __getitem__(self, i):
        if self.file is None:
            self.file = open(self.path, "rb")
        self.file.seek(i * RECORD.size)
        a, b, label = RECORD.unpack(self.file.read(RECORD.size))
        return torch.tensor([a, b]), torch.tensor(label)

    def __getstate__(self):
        return {**self.__dict__, "file": None}


def write(path, n=200):
    points = torch.randn(n, 2)
    with open(path, "wb") as out:
        for a, b in points.tolist():
            out.write(RECORD.pack(a, b, float(a + b > 0)))


def main():
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "records.bin")
        write(path)
        loader = DataLoader(
            Records(path), batch_size=32, shuffle=True, num_workers=2, persistent_workers=True
        )
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
        wrong = 0
        for epoch in range(4):
            for x, y in loader:
                wrong += int(((x.sum(1) > 0).float() != y).sum())
                logits = model(x).squeeze(1)
                loss = nn.functional.binary_cross_entropy_with_logits(logits, y)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            print(f"epoch {epoch}: loss {loss.item():.3f}")
        del loader
    assert wrong == 0


if __name__ == "__main__":
    main()
