"""Real handwritten digits through a DataLoader with workers: look into any batch, any sample.

Try:
    b label 8            then c: stop where the loop gets the first eight;  p indices
    :loader loader       its settings, its order, what each of its workers is at
    :batch 7             batch 7 of this epoch, rebuilt without going through 0 to 6
    :sample 3            one digit: its figures and a small picture
"""

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Digits(Dataset):
    """1,797 scanned digits of 8 x 8 dots, values 0..1."""

    def __init__(self):
        found = load_digits()
        self.images = torch.tensor(found.images, dtype=torch.float32).unsqueeze(1) / 16
        self.labels = found.target.tolist()

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.images[index], self.labels[index]


def main():
    torch.manual_seed(0)
    loader = DataLoader(Digits(), batch_size=64, shuffle=True, num_workers=2, drop_last=True)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for epoch in range(2):
        right = seen = 0
        for images, labels in loader:
            scores = model(images)
            loss = nn.functional.cross_entropy(scores, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            right += (scores.argmax(1) == labels).sum().item()
            seen += len(labels)
        print(f"epoch {epoch}  {right / seen:.1%} right")


if __name__ == "__main__":
    main()
