"""Truncated backpropagation: windows with retain_graph, a state that is cut, hooks on the way."""

import torch
from _digest import report, seed
from torch import nn

seed(49)
cell = nn.GRUCell(3, 5)
head = nn.Linear(5, 1)
optimizer = torch.optim.RMSprop([*cell.parameters(), *head.parameters()], lr=0.01)
sequence = torch.randn(9, 2, 3)
WINDOW, EVERY = 4, 2

states = [(None, torch.zeros(2, 5))]
reached = []
for time, inputs in enumerate(sequence):
    state = states[-1][1].detach().requires_grad_()
    new = cell(inputs, state)
    states.append((state, new))
    del states[:-WINDOW]
    if (time + 1) % EVERY:
        continue
    optimizer.zero_grad()
    loss = head(new).square().mean()
    loss.backward(retain_graph=True)
    for index in range(len(states) - 1, 0, -1):
        state, (_, before) = states[index][0], states[index - 1]
        if state.grad is None or not before.requires_grad:
            break
        before.backward(state.grad, retain_graph=True)
        reached.append(index)
    norm = nn.utils.clip_grad_norm_(cell.parameters(), 1.0)
    with torch.no_grad():  # the graph is kept: a step in place would change what it saved
        for parameter in [*cell.parameters(), *head.parameters()]:
            parameter.data = parameter.data - 0.05 * parameter.grad
    print(f"time {time} loss {loss.item():.8f} norm {norm.item():.8f} reached {reached}")

hidden = torch.zeros(2, 5)
for chunk in sequence.split(3):
    optimizer.zero_grad()
    hidden = hidden.detach()
    for inputs in chunk:
        hidden = cell(inputs, hidden)
    head(hidden).square().mean().backward()
    optimizer.step()
report(cell=cell, head=head, optimizer=optimizer, hidden=hidden)
