import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split


class Gestures(nn.Module):
    def __init__(self, channels=3, kinds=4):
        super().__init__()
        self.conv = nn.Conv1d(channels, 8, 5)
        self.bn = nn.BatchNorm1d(8)
        self.drop = nn.Dropout(0.4)
        self.fc = nn.Linear(8, kinds)

    def forward(self, x):
        x = torch.relu(self.bn(self.conv(x))).mean(-1)
        return self.fc(self.drop(x))


@torch.no_grad()
def validate(model, loader, loss_fn):
    total, n = 0.0, 0
    for x, y in loader:
        total += loss_fn(model(x), y).item() * len(x)
        n += len(x)
    return total / n


torch.manual_seed(11)
full = TensorDataset(torch.randn(80, 3, 20), torch.randint(0, 4, (80,)))
train_set, valid_set = random_split(full, [60, 20])
train_loader, valid_loader = DataLoader(train_set, 20, shuffle=True), DataLoader(valid_set, 20)
model = Gestures()
model.train()
opt = torch.optim.Adam(model.parameters(), lr=1e-3)
loss_fn = nn.CrossEntropyLoss()
for epoch in range(2):
    for x, y in train_loader:
        loss = loss_fn(model(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
    score = validate(model, valid_loader, loss_fn)
    print(f"epoch {epoch} train {loss.item():.4f} valid {score:.4f}")
