"""What runs at the end, in its order: finally, threads, atexit, finalizers, a worker's exit."""

import atexit
import sys
import threading
import weakref

import torch
from _digest import report, seed
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Leaves(Dataset):
    def __init__(self, leaves):
        self.leaves = leaves

    def __len__(self):
        return 4

    def __getitem__(self, index):
        if self.leaves and index == 2:
            sys.exit(5)
        return index


class Keeper:
    pass


def late():
    weight = torch.ones(2, requires_grad=True)
    threading.main_thread().join()
    (weight * 3).sum().backward()
    print("a thread that goes on", weight.grad.tolist())


def last_words():
    model(torch.ones(1, 2)).sum().backward()
    print("atexit, registered first, has a gradient", model.bias.grad.tolist())


seed(44)
model = nn.Linear(2, 1)
atexit.register(last_words)
atexit.register(print, "atexit, registered second")
keeper = Keeper()
weakref.finalize(keeper, print, "a finalizer")
threading.Thread(target=late).start()
try:
    model(torch.randn(3, 2)).sum().backward()
    forked = {"num_workers": 1, "multiprocessing_context": "fork", "collate_fn": list}
    for leaves in (False, True):
        batches = [batch for batch in DataLoader(Leaves(leaves), batch_size=2, **forked)]
        print("batches", batches)
except RuntimeError as error:
    print("a worker left:", str(error).split("(")[0])
finally:
    report(model=model)
print("the last line")
