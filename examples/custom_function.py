"""A Function of one's own: forward saves what backward will need, backward returns one per input.

Try:
    b node PowerBackward    then c: stop before our own backward runs
    p saved                 the tensors that forward left in ctx
    s                       into the next node: what PowerBackward returned arrives there
    b 26                    a line of our backward is a line like any other
"""

import torch
from torch.autograd import Function


class Power(Function):
    """x ** exponent, for a constant exponent."""

    @staticmethod
    def forward(ctx, x, exponent):
        ctx.save_for_backward(x)  # tensors go here: autograd checks their versions
        ctx.exponent = exponent  # anything else is a plain attribute
        return x**exponent

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        slope = ctx.exponent * x ** (ctx.exponent - 1)
        return grad_output * slope, None  # the exponent is a number: no gradient


x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)

cubes = Power.apply(x, 3)
loss = cubes.sum()
loss.backward()

print("cubes   ", cubes.tolist(), "made by", cubes.grad_fn.name())
print("x.grad  ", x.grad.tolist(), "= 3 x^2")

points = torch.randn(5, dtype=torch.double, requires_grad=True)
print("agrees with finite differences:", torch.autograd.gradcheck(Power.apply, (points, 3)))
