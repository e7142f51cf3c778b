"""Who shares memory with whom: views, detach, .data and NumPy, and which writes autograd sees.

Try:
    b 39                then c: before the first write. :mem weight, :mem weight hidden
    :copies weight      what each way of copying does, measured on this tensor
    :versions weight    then s: the write; a stop tells which saved value is stale now
    b 43                then c, s: a write that no counter sees; :versions weight, :bytes
"""

import torch

weight = torch.arange(1.0, 13.0).view(3, 4).clone().requires_grad_()

row = weight[1]  # a view: same bytes, same version counter, gradient flows
seen = weight.detach()  # same bytes, same counter, no gradient
hidden = weight.data  # same bytes, a counter of its own
array = weight.detach().numpy()  # same bytes, no counter at all
wide = weight.expand(2, 3, 4)  # stride 0: the bytes count twice and are there once
copied = weight.clone()  # other bytes, gradient flows to weight
apart = weight.detach().clone()  # other bytes, no gradient
turned = weight.t().reshape(-1)  # could not be a view: copied

for name in ("row", "seen", "hidden", "wide", "copied", "apart", "turned"):
    tensor = globals()[name]
    same = tensor.untyped_storage().data_ptr() == weight.untyped_storage().data_ptr()
    print(f"{name:6}  shares bytes: {same!s:5}  gradient flows: {tensor.requires_grad}")


def outcome(loss):
    weight.grad = None
    try:
        loss.backward()
    except RuntimeError as error:
        return str(error).split(": [")[0]
    return f"gradient of weight[0, 0] is {weight.grad[0, 0].item():.0f}"


loss = (weight**2).sum()  # saves weight: the gradient is twice its value, 2 at [0, 0]
seen[0, 0] = 5.0
print("written through detach():", outcome(loss))

loss = (weight**2).sum()  # now 10 would be right
hidden[0, 0] = 7.0
print("written through .data:   ", outcome(loss), "(wrong: nobody noticed)")

loss = (weight**2).sum()  # now 14 would be right
array[0, 0] = 9.0
print("written through NumPy:   ", outcome(loss), "(wrong again)")
