"""What autograd refuses, shown: each error is expected, caught and looked at."""

import torch

failures = []


def refused(name, action, words):
    try:
        action()
    except RuntimeError as error:
        assert words in str(error), error
        failures.append(name)
        return
    raise AssertionError(f"{name} should have been refused")


w = torch.tensor([1.0, 2.0], requires_grad=True)

loss = (w * w).sum()
loss.backward()
refused("twice", loss.backward, "second time")

h = torch.exp(w)
h += 1
refused("overwritten", h.sum().backward, "inplace operation")

refused("leaf", lambda: w.add_(1), "leaf Variable that requires grad")
refused("no graph", (w.detach() * 2).sum().backward, "does not require grad")
refused("not a scalar", (w * 2).backward, "only for scalar outputs")
refused("numpy", w.numpy, "Can't call numpy()")

# And after all of that, the plain thing.
w.grad = None
optimizer = torch.optim.SGD([w], lr=0.1)
for _ in range(60):
    optimizer.zero_grad()
    loss = (w - torch.tensor([3.0, -1.0])).square().sum()
    loss.backward()
    optimizer.step()

print("refused:", ", ".join(failures))
print("w:", [round(v, 3) for v in w.tolist()])
assert torch.allclose(w, torch.tensor([3.0, -1.0]), atol=1e-2)
