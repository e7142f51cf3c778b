"""A small convolutional network learns to read scikit-learn's 1,797 handwritten digits.

Try:
    n                       one layer at a time through the first batch;  s  goes inside a layer
    b node Convolution*     then c: stop in the backward at each convolution
    until leaf fc1.weight   in the backward: run on until this gradient is there
    b mod conv2             then c: stop where the second convolution is entered;  p x
"""

import argparse

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split


class DigitsCNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, kernel_size=3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, kernel_size=3, padding=1)
        self.fc1 = nn.Linear(32 * 4 * 4, 64)
        self.fc2 = nn.Linear(64, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x))  # 1x8x8 -> 16x8x8
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)  # 16x8x8 -> 32x4x4
        return self.fc2(F.relu(self.fc1(x.flatten(1))))


parser = argparse.ArgumentParser(description="train a small CNN on scikit-learn's digits")
parser.add_argument("--epochs", type=int, default=1)
arguments = parser.parse_args()

torch.manual_seed(0)
digits = load_digits()
pixels = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1)  # 1797x1x8x8, 0 to 16
dataset = TensorDataset(pixels / 8 - 1, torch.tensor(digits.target))
train_set, test_set = random_split(dataset, [1437, 360])
loader = DataLoader(train_set, batch_size=8, shuffle=True)
model = DigitsCNN()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)

for epoch in range(arguments.epochs):
    for step, (images, labels) in enumerate(loader):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        if step % 60 == 0:
            print(f"epoch {epoch}  step {step:3}  loss {loss.item():.3f}")

with torch.no_grad():
    images, labels = test_set[:]
    accuracy = (model(images).argmax(dim=1) == labels).float().mean()
print(f"accuracy on {len(test_set)} digits never seen in training: {accuracy:.3f}")
