"""Recurrence: a packed bidirectional LSTM, and an RNNCell loop whose state is carried and cut."""

import torch
from _digest import report, seed
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

seed(6)
lstm = nn.LSTM(3, 8, num_layers=2, dropout=0.1, bidirectional=True, batch_first=True)
cell = nn.RNNCell(16, 8)
head = nn.Linear(8, 1)
parameters = [*lstm.parameters(), *cell.parameters(), *head.parameters()]
optimizer = torch.optim.Adagrad(parameters, lr=0.05)
state = torch.zeros(4, 8)

for step in range(6):
    sequences = torch.randn(4, 7, 3)
    packed = pack_padded_sequence(sequences, torch.tensor([7, 5, 4, 2]), batch_first=True)
    features, _ = pad_packed_sequence(lstm(packed)[0], batch_first=True)
    state = state.detach()  # truncated backpropagation through time
    for time in range(features.shape[1]):
        state = cell(features[:, time], state)
    loss = (head(state).squeeze(1) - sequences.sum(dim=(1, 2))).square().mean()
    optimizer.zero_grad()
    loss.backward()
    norm = nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()
    print(f"step {step} loss {loss.item():.6f} norm {norm.item():.6f}")

report(lstm=lstm, cell=cell, head=head, optimizer=optimizer, state=state)
