"""Tensors that have no elements to read: freed or shrunk storages, meta, nested, no roots at all.

Torch trusts who reads the elements of a view whose storage was freed: it is a segmentation fault.
Sharding and offloading free storages between uses; hooks may free a gradient.
"""

import warnings

import torch
from _digest import report, seed
from torch import nn

warnings.simplefilter("ignore")
seed(61)

# Views of storages that are freed, or made smaller, and then filled again.
held = torch.ones(1_000_000)
size = held.untyped_storage().nbytes()
far = held[600_000:]
held.untyped_storage().resize_(0)
alias = held.detach()
held.untyped_storage().resize_(size // 2)
beyond = far.view(-1, 8).detach()
held.untyped_storage().resize_(size)
held.fill_(1.0)
print("freed and back", alias.sum().item(), beyond.sum().item())

# A gradient that a hook frees, as one does who has copied it elsewhere.
model = nn.Linear(1000, 10)


def free(parameter):
    parameter.grad.untyped_storage().resize_(0)


model.weight.register_post_accumulate_grad_hook(free)
optimizer = torch.optim.SGD([model.bias], 0.1)
for _ in range(2):
    model(torch.ones(1, 1000)).sum().backward()
    print("bytes", model.weight.grad.untyped_storage().nbytes(), model.bias.grad.sum().item())
    optimizer.step()
    model.weight.grad = None


# A gradient that is freed on its way.
class Freeing(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        freed = torch.ones(300, 300)
        freed.untyped_storage().resize_(0)
        return freed


class Replacing(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        return torch.full(grad.shape, 2.0)


weight = torch.ones(300, 300, requires_grad=True)
Freeing.apply(Replacing.apply(weight)).sum().backward()
print("past a freed gradient", weight.grad.sum().item())

# Tensors without elements, and those whose shape torch refuses to tell.
bare = torch.ones(3, 3, device="meta", requires_grad=True)
(bare @ bare).sum().backward()
print("meta", bare.grad.device)
rows = [torch.ones(2, 3, requires_grad=True), torch.ones(4, 3, requires_grad=True)]
padded = torch.nested.to_padded_tensor(torch.nested.as_nested_tensor(rows) * 2, 0.0)
padded.sum().backward()
print("nested", [row.grad.sum().item() for row in rows])
ragged = torch.nested.nested_tensor([torch.ones(2), torch.ones(2)], requires_grad=True)
ragged.clone().sum(-1, keepdim=True).backward(
    torch.nested.nested_tensor([torch.ones(1), torch.ones(1)])
)
print("nested root", ragged.grad.is_nested)
sparse = torch.eye(3).to_sparse().requires_grad_()
torch.sparse.sum(sparse * 3).backward()
print("sparse", sparse.grad.to_dense().sum().item())

# No roots: legal, and gradcheck does so.
double = torch.ones(2, dtype=torch.double, requires_grad=True)
print("gradient of nothing", torch.autograd.grad([], [double], allow_unused=True))
torch.autograd.backward([])
print("gradcheck", torch.autograd.gradcheck(lambda a: (a > 0).double(), (double,)))

model.weight.grad = None
report(model=model, optimizer=optimizer, weight=weight, double=double)
