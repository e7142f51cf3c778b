"""Attention: MultiheadAttention with a mask, and an encoder layer in training and in evaluation."""

import torch
from _digest import report, seed
from torch import nn

seed(13)
attention = nn.MultiheadAttention(16, 4, dropout=0.1, batch_first=True)
encoder = nn.TransformerEncoder(
    nn.TransformerEncoderLayer(16, 2, dim_feedforward=32, batch_first=True, norm_first=True),
    num_layers=2,
    enable_nested_tensor=False,
)
head = nn.Linear(16, 5)
model = nn.ModuleList([attention, encoder, head])
optimizer = torch.optim.NAdam(model.parameters(), lr=0.01)
causal = nn.Transformer.generate_square_subsequent_mask(6)

for step in range(5):
    tokens = torch.randn(3, 6, 16)
    mixed, weights = attention(tokens, tokens, tokens, attn_mask=causal, is_causal=True)
    logits = head(encoder(tokens + mixed, mask=causal, is_causal=True))
    loss = nn.functional.cross_entropy(logits.flatten(0, 1), torch.randint(5, (18,)))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"step {step} loss {loss.item():.6f} attention {weights[0, -1].max().item():.6f}")

model.eval()
with torch.inference_mode():
    evaluated = encoder(tokens)
print(f"eval {evaluated.norm().item():.6f}, inference tensor {evaluated.is_inference()}")
report(model=model, optimizer=optimizer, weights=weights, evaluated=evaluated)
