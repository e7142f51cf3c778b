import torch
from torch import nn


class Codec(nn.Module):
    def __init__(self, window: int, latent: int, levels: int = 8):
        super().__init__()
        self.analysis = nn.Linear(window, latent)
        self.synthesis = nn.Linear(latent, window)
        self.levels = levels

    def compress(self, frame):
        code = torch.sigmoid(self.analysis(frame))
        return torch.round(code * (self.levels - 1)) / (self.levels - 1)

    def forward(self, frame):
        return self.synthesis(self.compress(frame))


class Trainer:
    def __init__(self, model, lr=1e-2):
        self.model = model
        self.optimizer = torch.optim.Adam(model.parameters(), lr=lr)
        self.log = []

    def step(self, frame):
        out = self.model(frame)
        loss = (out - frame).pow(2).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.log.append(loss.item())


torch.manual_seed(20)
codec = Codec(16, 5)
trainer = Trainer(codec)
t = torch.linspace(0, 6.28, 16)
for _ in range(6):
    trainer.step(torch.sin(t + torch.rand(32, 1) * 6.28))
print([round(v, 4) for v in trainer.log])
