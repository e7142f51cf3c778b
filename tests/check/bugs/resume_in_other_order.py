import io
import torch
from torch import nn

SIZE = 8


def make():
    return {"enc": nn.Linear(SIZE, SIZE), "dec": nn.Linear(SIZE, SIZE)}


def run(nets, opt, steps):
    for _ in range(steps):
        x = torch.randn(20, SIZE)
        loss = nn.functional.mse_loss(nets["dec"](torch.tanh(nets["enc"](x))), x)
        opt.zero_grad()
        loss.backward()
        opt.step()
    return loss.item()


torch.manual_seed(15)
nets = make()
old = torch.optim.Adam([*nets["enc"].parameters(), *nets["dec"].parameters()], lr=1e-2)
print("before", run(nets, old, 5))

file = io.BytesIO()
torch.save({"nets": {k: n.state_dict() for k, n in nets.items()}, "opt": old.state_dict()}, file)
file.seek(0)

saved = torch.load(file)
fresh = make()
for name, state in saved["nets"].items():
    fresh[name].load_state_dict(state)
everything = [p for name in sorted(fresh) for p in fresh[name].parameters()]
fresh_opt = torch.optim.Adam(everything, lr=1e-2)
fresh_opt.load_state_dict(saved["opt"])
print("after", run(fresh, fresh_opt, 5))
