"""Pools of processes: forked ones that train, spawned ones that do not; a tensor that is shared."""

import multiprocessing
import sys


def train(number):
    import torch

    weight = torch.full((3,), float(number), requires_grad=True)
    loss = (weight**3).sum()
    loss.backward()
    return weight.grad.tolist()


def leave(number):
    if number == 2:
        sys.exit(7)
    return number


def without_torch(number):
    return number * 2, "torch" in sys.modules, __name__


def fill(shared, queue):
    shared.add_(1)
    queue.put(shared.sum().item())


def main():
    import torch
    import torch.multiprocessing as shared_memory
    from _digest import report, seed

    seed(42)
    fork = multiprocessing.get_context("fork")
    with fork.Pool(2) as pool:
        print(pool.map(train, range(3)))
        print([type(each).__name__ for each in pool.map(_caught, range(4))])
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.map(without_torch, [1, 2]))
    shared, context = torch.zeros(4).share_memory_(), shared_memory.get_context("fork")
    queue = context.SimpleQueue()
    child = context.Process(target=fill, args=(shared, queue))
    child.start()
    print("child says", queue.get())
    child.join()
    gone = fork.Process(target=leave, args=(2,))
    gone.start()
    gone.join()
    print("left with", gone.exitcode)
    weight = shared.clone().requires_grad_()
    weight.square().sum().backward()
    report(weight=weight, shared=shared)


def _caught(number):
    try:
        return leave(number)
    except SystemExit as left:
        return left


if __name__ == "__main__":
    main()
