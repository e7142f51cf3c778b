"""Ways out of the graph: what clone, detach, no_grad and .data share, and what they cut.

Try:
    n                   to the first loss; then :t copied, :t shared: whose memory is it?
    b 32                then c: just before the write through detach(); p weight, s, p weight
    p weight._version   detach() shares this counter, .data does not
    w                   where am I: the Python frames and the path from the loss
"""

import torch

weight = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)

copied = weight.clone()  # new memory, gradients flow through it
shared = weight.detach()  # same memory, no gradient
with torch.no_grad():
    doubled = weight * 2  # new memory, no gradient
unseen = weight.data  # same memory, no gradient, and writes go unnoticed

for name in ("copied", "shared", "doubled", "unseen"):
    tensor = globals()[name]
    same_memory = tensor.data_ptr() == weight.data_ptr()
    print(f"{name:8} shares memory: {same_memory!s:5}  gradient flows: {tensor.requires_grad}")

loss = (copied**2).sum()
loss.backward()
print("gradient through clone:      ", weight.grad.tolist())

# A write through detach() is noticed: the square still needs the value that was there.
weight.grad = None
loss = (weight**2).sum()
shared[0] = 10.0
try:
    loss.backward()
except RuntimeError as error:
    print("after a write to detach():   ", str(error).split(":")[0])

# A write through .data is not: the gradient should be [20, 4, 6] and silently is not.
loss = (weight**2).sum()
unseen[0] = 7.0
loss.backward()
print("after a write to .data, wrong:", weight.grad.tolist())
