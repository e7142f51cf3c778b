"""Closures in the dataset and in collate, workers made by an explicit fork."""

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Mapped(Dataset):
    def __init__(self, items, function):
        self.items, self.function = items, function

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        return self.function(self.items[i])


def main():
    torch.manual_seed(0)
    mean, std = 3.0, 2.0
    raw = [(mean + std * torch.randn(3), k % 2) for k in range(160)]
    raw = [(x + 3 * torch.tensor([k, -k, 0]), k) for x, k in raw]
    data = Mapped(raw, lambda item: ((item[0] - mean) / std, float(item[1])))
    loader = DataLoader(
        data,
        batch_size=32,
        shuffle=True,
        num_workers=2,
        multiprocessing_context="fork",
        collate_fn=lambda items: (
            torch.stack([x for x, _ in items]),
            torch.tensor([k for _, k in items]).unsqueeze(1),
        ),
    )
    model = nn.Linear(3, 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    for epoch in range(5):
        right = 0
        for x, y in loader:
            logits = model(x)
            loss = nn.functional.binary_cross_entropy_with_logits(logits, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            right += ((logits > 0).float() == y).sum().item()
        print(f"epoch {epoch}: accuracy {right / len(data):.3f}")
    assert right / len(data) > 0.75


if __name__ == "__main__":
    main()
