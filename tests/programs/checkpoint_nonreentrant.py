"""Non-reentrant checkpointing: saved-tensor hooks, nested regions and keyword arguments."""

import torch
from _digest import report, seed
from torch import nn
from torch.utils.checkpoint import checkpoint


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.fc = nn.Linear(width, width)
        self.drop = nn.Dropout(0.2)
        self.calls = 0

    def forward(self, x, *, scale):
        self.calls += 1  # counts recomputations too
        return x + scale * self.drop(torch.tanh(self.fc(x)))


def pair(x, blocks):
    """Two blocks, the second checkpointed again inside the first region."""
    x = blocks[0](x, scale=0.5)
    return checkpoint(blocks[1], x, scale=0.25, use_reentrant=False)


seed(2)
blocks = nn.ModuleList(Block(16) for _ in range(4))
optimizer = torch.optim.Adam(blocks.parameters(), lr=0.01)

for step in range(5):
    hidden = torch.randn(8, 16)
    hidden = checkpoint(pair, hidden, blocks[:2], use_reentrant=False)
    hidden = checkpoint(pair, hidden, blocks[2:], use_reentrant=False)
    loss = hidden.square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"step {step} loss {loss.item():.6f} calls {[block.calls for block in blocks]}")

report(blocks=blocks, optimizer=optimizer)
