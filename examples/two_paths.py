"""The chain rule path by path: L depends on a by two routes, and a.grad is the sum of both.

Try:
    n                   run one operation at a time and watch left, right and L come to be
    b leaf a            then c: stop in the backward when the gradient of a is whole
    s                   while L.backward() runs: each s is one node of the chain rule
    :bw a.sin() * a     after the end, at the prompt: step through a backward of your own
"""

import torch

a = torch.tensor(2.0, requires_grad=True)

left = 3 * a  # the one path from a
right = a**2  # the other
L = left * right  # where they meet

L.backward()

by_left = right.item() * 3
by_right = left.item() * 2 * a.item()

print(f"L = {L.item():g}")
print(f"by the left route   dL/dleft  * dleft/da  = {by_left:g}")
print(f"by the right route  dL/dright * dright/da = {by_right:g}")
print(f"their sum           {by_left + by_right:g}")
print(f"a.grad              {a.grad:g}")
