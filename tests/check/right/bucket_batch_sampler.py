"""Sequences of different lengths: batches by length, padded by collate, packed for the GRU."""

import random

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence
from torch.utils.data import DataLoader, Dataset, Sampler


class Parity(Dataset):
    def __init__(self, n):
        lengths = torch.randint(2, 9, (n,)).tolist()
        self.items = [torch.randint(2, (k,)) for k in lengths]

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        bits = self.items[i]
        return bits, int(bits.sum() >= len(bits) / 2)


class BucketSampler(Sampler):
    def __init__(self, lengths, size):
        self.lengths, self.size = lengths, size

    def __iter__(self):
        order = sorted(range(len(self.lengths)), key=lambda i: (self.lengths[i], random.random()))
        batches = [order[i : i + self.size] for i in range(0, len(order), self.size)]
        random.shuffle(batches)
        return iter(batches)

    def __len__(self):
        return -(-len(self.lengths) // self.size)


def collate(samples):
    bits, labels = zip(*samples, strict=True)
    lengths = torch.tensor([len(b) for b in bits])
    return pad_sequence(bits, batch_first=True, padding_value=2), lengths, torch.tensor(labels)


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(3, 8, padding_idx=2)
        self.gru = nn.GRU(8, 16, batch_first=True)
        self.head = nn.Linear(16, 2)

    def forward(self, bits, lengths):
        x = self.embedding(bits)
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        _, h = self.gru(packed)
        return self.head(h[-1])


random.seed(0)
torch.manual_seed(0)
data = Parity(310)
sampler = BucketSampler([len(bits) for bits in data.items], 32)
loader = DataLoader(data, batch_sampler=sampler, collate_fn=collate)
model = Classifier()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-2)
for epoch in range(8):
    right = 0
    for bits, lengths, labels in loader:
        logits = model(bits, lengths)
        loss = nn.functional.cross_entropy(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        right += int((logits.argmax(1) == labels).sum())
    print(f"epoch {epoch}: accuracy {right / len(data):.3f}")
assert right / len(data) > 0.9
