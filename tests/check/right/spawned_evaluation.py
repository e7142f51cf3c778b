"""Hogwild in small: a spawned child trains the shared model, the parent looks at the result."""

import torch
import torch.multiprocessing as mp


def make_model():
    torch.manual_seed(0)
    return torch.nn.Linear(3, 1)


def train(model, queue, steps=150):
    torch.set_num_threads(1)
    parameters = list(model.parameters())
    x = torch.randn(256, 3)
    y = x @ torch.tensor([[1.0], [-1.0], [2.0]]) + 0.5
    for _ in range(steps):
        batch = torch.randint(256, (32,))
        loss = torch.nn.functional.mse_loss(model(x[batch]), y[batch])
        gradients = torch.autograd.grad(loss, parameters)
        with torch.no_grad():
            for p, g in zip(parameters, gradients, strict=True):
                p.sub_(g, alpha=0.1)
    queue.put(loss.item())


def main():
    model = make_model()
    model.share_memory()
    before = [p.clone() for p in model.parameters()]
    context = mp.get_context("spawn")
    queue = context.SimpleQueue()
    child = context.Process(target=train, args=(model, queue))
    child.start()
    loss = queue.get()
    child.join()
    assert child.exitcode == 0
    moved = [not torch.equal(a, p) for a, p in zip(before, model.parameters(), strict=True)]
    print(f"loss in the child {loss:.5f}, bias here {model.bias.item():.3f}")
    assert all(moved) and abs(model.bias.item() - 0.5) < 0.05


if __name__ == "__main__":
    main()
