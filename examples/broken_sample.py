"""One sample in 200 is broken: which one is it, and which transform breaks it?

Try:
    c                    it ends with an error of torch's that names no sample, and ours that does
    :fetch 137           make that sample here, stopped at its first op;  c
    :sample 90           the step whose result has the first NaN
    :loader check        what else is wrong, though nothing was raised
"""

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Steps:
    """Transforms, one after the other."""

    def __init__(self, *transforms):
        self.transforms = transforms

    def __call__(self, sample):
        for transform in self.transforms:
            sample = transform(sample)
        return sample


def centre(wave):
    return wave - wave.mean()


def loudness(wave):
    return wave / wave.abs().max()


class Waves(Dataset):
    """Sine waves; number 137 was cut short, number 90 is silent."""

    def __init__(self, transform):
        self.transform = transform

    def __len__(self):
        return 200

    def __getitem__(self, index):
        time = torch.linspace(0, 6.28, 63 if index == 137 else 64)
        wave = torch.sin(time * (1 + index % 4)) * (index != 90)
        return self.transform(wave), index % 4


torch.manual_seed(0)
loader = DataLoader(Waves(Steps(centre, loudness)), batch_size=16)
model = nn.Linear(64, 4)

for waves, labels in loader:
    loss = nn.functional.cross_entropy(model(waves), labels)
    loss.backward()
    print(f"loss {loss.item():.3f}")
