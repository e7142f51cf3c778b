"""An LSTM learns to remember: after five numbers it must still know the first.

Try:
    n                           run the first forward, one call at a time: lstm, head, mse_loss
    b leaf lstm.weight_hh_l0    then c: stop where the recurrent weight gets its gradient
    w                           the path that this gradient took from the loss
    b op lstm                   then c: p out is what the LSTM hands on (batch, time, width)
"""

import torch
import torch.nn.functional as F
from torch import nn


class Rememberer(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.lstm = nn.LSTM(input_size=1, hidden_size=width, batch_first=True)
        self.head = nn.Linear(width, 1)

    def forward(self, sequences):
        hidden, _ = self.lstm(sequences)
        return self.head(hidden[:, -1])


torch.manual_seed(0)
model = Rememberer(width=16)
optimizer = torch.optim.Adam(model.parameters(), lr=0.02)

for step in range(201):
    sequences = torch.rand(64, 5, 1)  # 64 sequences of 5 numbers
    firsts = sequences[:, 0]
    optimizer.zero_grad()
    loss = F.mse_loss(model(sequences), firsts)
    loss.backward()
    optimizer.step()
    if step % 50 == 0:
        print(f"step {step:3}  mean squared error {loss.item():.5f}")

with torch.no_grad():
    sequence = torch.rand(1, 5, 1)
    print(f"heard first {sequence[0, 0].item():.3f}, remembers {model(sequence).item():.3f}")
