"""Functions of the user's own: dirty inputs, an index without gradient, setup_context, vmap."""

import torch
from _digest import report, seed
from torch.autograd import Function
from torch.autograd.function import once_differentiable

seed(24)


class AddInPlace(Function):
    @staticmethod
    def forward(ctx, x, y):
        ctx.mark_dirty(x)
        return x.add_(y)

    @staticmethod
    def backward(ctx, gradient):
        return gradient, gradient.sum(0)


class Best(Function):
    @staticmethod
    def forward(ctx, x):
        values, where = x.max(dim=1)
        ctx.mark_non_differentiable(where)
        ctx.save_for_backward(where)
        ctx.size = x.shape
        return values, where

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient, _):
        (where,) = ctx.saved_tensors
        return torch.zeros(ctx.size).scatter_(1, where[:, None], gradient[:, None])


class Cube(Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return x**3 / 9, x**2 / 3

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(inputs[0], output[1])
        ctx.mark_non_differentiable(output[1])
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx, gradient, _):
        _, slope = ctx.saved_tensors
        return gradient * slope if gradient is not None else None


class Double(Function):
    @staticmethod
    def forward(x):
        return x * 2

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, gradient):
        return Triple.apply(gradient)

    @staticmethod
    def vmap(info, in_dims, x):
        return Double.apply(x), in_dims[0]


class Triple(Function):
    @staticmethod
    def forward(ctx, x):
        return x * 3

    @staticmethod
    def backward(ctx, gradient):
        return gradient * 3


class Straight(Function):
    @staticmethod
    def forward(ctx, x, scale, *more):
        ctx.scale, ctx.count = scale, len(more)
        return (x * scale).round() / scale

    @staticmethod
    def backward(ctx, gradient):
        return (gradient, None, *(None for _ in range(ctx.count)))


weight = torch.randn(4, 3, requires_grad=True)
bias = torch.randn(3, requires_grad=True)
optimizer = torch.optim.SGD([weight, bias], lr=0.001, momentum=0.9, nesterov=True)
for step in range(2):
    x = torch.randn(5, 4) @ weight
    y = AddInPlace.apply(x, bias)
    best, where = Best.apply(y)
    cube, slope = Cube.apply(best)
    rounded = Straight.apply(cube, 8.0, "kept", where)
    loss = Double.apply(rounded).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"step {step} loss {loss.item():.6f} best {where.tolist()} {slope.requires_grad}")

point = torch.randn(3, requires_grad=True)
(first,) = torch.autograd.grad(Double.apply(point**2).sum(), point, create_graph=True)
(second,) = torch.autograd.grad(first.sum(), point)
many = torch.vmap(lambda row: Cube.apply(row)[0] + Double.apply(row))(torch.randn(3, 2))
hessian = torch.autograd.functional.hessian(lambda t: (Double.apply(t) ** 3).sum(), torch.randn(2))
print(
    torch.autograd.gradcheck(
        Triple.apply,
        (torch.randn(2, dtype=torch.double, requires_grad=True),),
        raise_exception=False,
    )
)
try:
    torch.autograd.grad(
        torch.autograd.grad(Best.apply(weight)[0].sum(), weight, create_graph=True)[0].sum(), weight
    )
except RuntimeError as error:
    print("refused:", str(error).split(",")[0])
report(
    weight=weight,
    bias=bias,
    optimizer=optimizer,
    first=first,
    second=second,
    many=many,
    hessian=hessian,
)
