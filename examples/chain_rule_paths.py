"""The chain rule, path by path: what each way from the loss to a weight adds to its gradient.

Try:
    b 41                then c: stop where the graph of L is there and no backward has run
    :paths L a          three paths, the numbers along each, and their sum: a.grad
    :terms loss         a loss of two terms: who pulls w where
    :addends loss w     the gradients that are added up at w, and who sent each
    :paths deep a       a million million paths, counted and the 50 largest listed
"""

import torch

torch.manual_seed(0)
a = torch.tensor(2.0, requires_grad=True)

# a reaches L by three ways: through left, and through right twice.
left = 3 * a  # dleft/da  = 3
right = a * a  # dright/da = a + a, one path each
L = left * right  # dL/dleft = right, dL/dright = left

# A loss that is a sum: data and penalty pull the same weights in different directions.
x, y = torch.randn(8, 3), torch.randn(8)
w = torch.zeros(3) + 0.5
w.requires_grad_()
data = ((x @ w - y) ** 2).mean()
penalty = (w**2).sum()
loss = data + 0.1 * penalty

# Each round doubles the number of paths: after forty there are 2**40.
deep = a
for i in range(40):
    deep = deep * 0.6 + deep * (0.3 + i / 400)

by_left = right.item() * 3
by_right = 2 * left.item() * a.item()
(of_L,) = torch.autograd.grad(L, a, retain_graph=True)
(of_deep,) = torch.autograd.grad(deep, a, retain_graph=True)
product = 1.0
for i in range(40):
    product *= 0.6 + (0.3 + i / 400)
print(f"by left {by_left:g}, by right {by_right:g}, sum {by_left + by_right:g}: {of_L:g}")
print(f"2**40 paths add up to {product:.4f}: {of_deep:.4f}")

(L + loss + deep).backward()
print(f"a.grad = {a.grad:.4f}, w.grad = {[round(v, 4) for v in w.grad.tolist()]}")
