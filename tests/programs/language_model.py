"""A transformer block by hand: einsum, masks, tied weights, rotation, warm-up, accumulation."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from _digest import report, seed
from torch import Tensor, nn

seed(21)


@dataclass
class Config:
    words: int = 17
    width: int = 16
    heads: int = 4
    length: int = 6


class Rotary(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        size = config.width // config.heads
        speed = 1.0 / (10000 ** (torch.arange(0, size, 2).float() / size))
        angles = torch.outer(torch.arange(config.length).float(), speed)
        self.register_buffer(
            "table", torch.polar(torch.ones_like(angles), angles), persistent=False
        )

    def forward(self, x: Tensor) -> Tensor:
        pairs = torch.view_as_complex(x.float().reshape(*x.shape[:-1], -1, 2))
        turned = torch.view_as_real(pairs * self.table[: x.shape[2]]).flatten(3)
        return turned.type_as(x)


class Block(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.norms = nn.ModuleDict({k: nn.LayerNorm(config.width) for k in ("before", "after")})
        self.qkv = nn.Linear(config.width, 3 * config.width, bias=False)
        self.out = nn.Linear(config.width, config.width)
        self.rotary = Rotary(config)
        self.mlp = nn.ParameterList([torch.randn(config.width, 32), torch.randn(32, config.width)])
        mask = torch.full((config.length, config.length), float("-inf")).triu_(1)
        self.register_buffer("mask", mask)

    def forward(self, x: Tensor, *, padding: Tensor | None = None) -> tuple[Tensor, Tensor]:
        q, k, v = (
            self.qkv(self.norms["before"](x)).unflatten(-1, (3, self.config.heads, -1)).unbind(2)
        )
        q, k = (self.rotary(part.transpose(1, 2)) for part in (q, k))
        scores = torch.einsum("bhid,bhjd->bhij", q, k) / math.sqrt(q.shape[-1])
        scores = scores + self.mask[: x.shape[1], : x.shape[1]]
        if padding is not None:
            scores = scores.masked_fill(padding[:, None, None, :], torch.finfo(scores.dtype).min)
        weights = F.dropout(scores.softmax(-1), 0.1, self.training)
        x = x + self.out(torch.einsum("bhij,bjhd->bihd", weights, v).flatten(2))
        up, down = self.mlp
        return x + F.gelu(self.norms["after"](x) @ up) @ down, weights


class Model(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.embed = nn.Embedding(config.words, config.width, padding_idx=0)
        self.blocks = nn.ModuleList([Block(config)])
        self.head = nn.Linear(config.width, config.words, bias=False)
        self.head.weight = self.embed.weight
        self.apply(self._init)

    @torch.no_grad()
    def _init(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            module.weight.mul_(0.5)

    def forward(self, tokens: Tensor, labels: Tensor | None = None) -> dict[str, object]:
        x, kept = self.embed(tokens), []
        for block in self.blocks:
            x, weights = block(x, padding=tokens.eq(0))
            kept.append(weights)
        logits = self.head(x)
        loss = None
        if labels is not None:
            loss = F.cross_entropy(
                logits[:, :-1].transpose(1, 2), labels[:, 1:], ignore_index=0, label_smoothing=0.1
            )
        return {"loss": loss, "logits": logits, "attentions": tuple(kept)}


model = Model(Config())
decay = [p for p in model.parameters() if p.dim() > 1]
plain = [p for p in model.parameters() if p.dim() <= 1]
optimizer = torch.optim.AdamW(
    [{"params": decay, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}], lr=3e-3
)
schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / 2))
total = 0.0
for step in range(2):
    for _ in range(2):
        tokens = torch.randint(1, 17, (3, 6))
        tokens[0, 4:] = 0
        loss = model(tokens, labels=tokens)["loss"] / 2
        loss.backward()
        total += loss.item()
    norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0, foreach=True)
    optimizer.step()
    schedule.step()
    optimizer.zero_grad(set_to_none=step % 2 == 0)
    print(f"step {step} loss {total:.6f} norm {float(norm):.6f} lr {schedule.get_last_lr()[0]:.6f}")
    total = 0.0


@torch.inference_mode()
def generate(tokens: Tensor, count: int) -> Tensor:
    model.eval()
    for _ in range(count):
        logits = model(tokens)["logits"][:, -1] / 0.8
        best, where = logits.topk(5)
        chosen = where.gather(-1, torch.multinomial(best.softmax(-1), 1))
        tokens = torch.cat([tokens, chosen], dim=-1)
    return tokens


print(generate(torch.tensor([[1, 2]]), 2).tolist())
report(model=model, optimizer=optimizer)
