"""DistributedDataParallel over gloo: buckets, unused parameters, no_sync, a join at the end."""

import contextlib
import os
import sys
import time

import torch
import torch.distributed as dist
from _digest import report, seed
from torch import nn
from torch.nn.parallel import DistributedDataParallel


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
        self.unused = nn.Linear(2, 2)

    def forward(self, x):
        return self.body(x)


def begin():
    """Join the others that torchrun has started, or be alone."""
    if "RANK" in os.environ:
        dist.init_process_group("gloo")
    else:
        dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    return dist.get_rank(), dist.get_world_size()


def train(model, rank):
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    torch.manual_seed(100 + rank)
    for step in range(4):
        quiet = model.no_sync() if step == 1 else contextlib.nullcontext()
        with quiet:
            loss = model(torch.randn(6, 4)).square().mean()
            loss.backward()
        if step != 1:
            optimizer.step()
            optimizer.zero_grad()
        total = loss.detach().clone()
        dist.all_reduce(total)
        if rank == 0:
            print(f"step {step} loss {total.item():.8f}", flush=True)
    return optimizer


def main():
    rank, world = begin()
    seed(50)
    model = DistributedDataParallel(Net(), find_unused_parameters=True, bucket_cap_mb=1)
    optimizer = train(model, rank)
    dist.barrier()
    out = open(f"{sys.argv[1]}.{rank}", "w") if len(sys.argv) > 1 else sys.stdout  # noqa: SIM115
    with contextlib.redirect_stdout(out):
        print("rank", rank, "of", world)
        report(model=model, optimizer=optimizer)
    # Gloo's thread frees the last reduction under the group's lock and asks for the GIL to do so;
    # with the GIL the group's end asks for that lock. Seen: 2 of 60 runs never ended.
    time.sleep(0.5)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
