"""The user's own hooks of every kind: they see what they should, in the order they should."""

import torch
from _digest import report, seed
from torch import nn
from torch.autograd.graph import saved_tensors_hooks

seed(8)
model = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
events = []


def note(kind, tensor):
    events.append(f"{kind} {tuple(tensor.shape)} {tensor.norm().item():.6f}")


def halve_hidden(module, inputs, output):
    note("forward hook", output)
    output.register_hook(lambda gradient: note("tensor hook", gradient))  # None: only looks
    return output * 0.5


def clamp_gradient(module, grad_input, grad_output):
    note("full backward hook", grad_output[0])
    return tuple(None if gradient is None else gradient.clamp(-0.1, 0.1) for gradient in grad_input)


def double_gradient(grad_outputs):
    note("node prehook", grad_outputs[0])
    return (grad_outputs[0] * 2,)


def pack(tensor):
    events.append(f"pack {tuple(tensor.shape)}")
    return tensor.clone()


def unpack(tensor):
    note("unpack", tensor)
    return tensor


handles = [
    model[0].register_forward_pre_hook(lambda module, inputs: note("forward prehook", inputs[0])),
    model[0].register_forward_hook(halve_hidden),
    model[2].register_full_backward_hook(clamp_gradient),
    model[2].register_full_backward_pre_hook(lambda module, gradient: (gradient[0] * 1.5,)),
    model[0].weight.register_hook(lambda gradient: gradient + 0.01),
    model[2].bias.register_post_accumulate_grad_hook(lambda p: note("post-accumulate", p.grad)),
    optimizer.register_step_post_hook(lambda *_: events.append("optimizer stepped")),
]

for step in range(3):
    inputs = torch.randn(6, 5, requires_grad=True)
    with saved_tensors_hooks(pack, unpack):
        loss = model(inputs).square().mean()
    loss.grad_fn.register_prehook(double_gradient)
    loss.grad_fn.register_hook(lambda gin, gout: note("node hook", gin[0]))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step == 1:
        handles.pop(2).remove()
    print(f"step {step} loss {loss.item():.6f}")

print(*events, sep="\n")
report(model=model, optimizer=optimizer, inputs=inputs)
