"""One optimizer after the other over the same regression: plain, foreach, fused, sparse, shared."""

import torch
from _digest import report, seed
from torch import nn

seed(30)
inputs, targets = torch.randn(24, 6), torch.randn(24, 2)
kinds = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1),
    "sgd nesterov": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "sgd fused": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, fused=True),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, foreach=False),
    "adamw foreach": lambda p: torch.optim.AdamW(p, lr=0.01, foreach=True, amsgrad=True),
    "adamw fused": lambda p: torch.optim.AdamW(p, lr=0.01, fused=True),
    "adam maximize": lambda p: torch.optim.Adam(p, lr=0.01, maximize=True, foreach=True),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.01, centered=True, momentum=0.5),
    "adadelta": lambda p: torch.optim.Adadelta(p),
    "nadam": lambda p: torch.optim.NAdam(p, lr=0.01, decoupled_weight_decay=True),
}
models, optimizers = {}, {}
for name, make in kinds.items():
    torch.manual_seed(31)
    model = models[name] = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 2))
    decayed = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() < 2]
    optimizer = optimizers[name] = make(
        [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    )
    for _ in range(2):
        loss = nn.functional.mse_loss(model(inputs), targets)
        optimizer.zero_grad(set_to_none=name != "adamw")
        loss.backward()
        optimizer.step()
    again = make(model.parameters())
    print(f"{name}: {loss.item():.8f} {type(again).__name__} {len(optimizer.state)}")

words = nn.Embedding(9, 3, sparse=True)
optimizers["sparse"] = torch.optim.SparseAdam(words.parameters(), lr=0.1)
for _ in range(2):
    optimizers["sparse"].zero_grad()
    words(torch.tensor([1, 4, 4])).square().sum().backward()
    optimizers["sparse"].step()

state = optimizers["adamw fused"].state_dict()
loaded = kinds["adamw fused"](
    [{"params": list(group["params"])} for group in optimizers["adamw fused"].param_groups]
)
loaded.load_state_dict(state)
models["adamw fused"](inputs).sum().backward()
loaded.step()
report(**models, words=words, **{f"{name} state": o for name, o in optimizers.items()})
