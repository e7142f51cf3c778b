import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def train_one_epoch(net, loader, opt, loss_fn, device="cpu"):
    net.train()
    running_loss = 0.0
    for inputs, labels in loader:
        inputs, labels = inputs.to(device), labels.to(device)
        opt.zero_grad()
        outputs = net(inputs)
        loss = loss_fn(outputs, labels)
        loss.backward()
        opt.step()
        running_loss += loss * inputs.size(0)
    return running_loss / len(loader.dataset)


def run():
    torch.manual_seed(21)
    x = torch.randn(400, 12)
    y = (x[:, 0] * x[:, 1] > 0).long()
    loader = DataLoader(TensorDataset(x, y), batch_size=10, shuffle=True)
    net = nn.Sequential(nn.Linear(12, 40), nn.ReLU(), nn.Linear(40, 2))
    opt = torch.optim.Adam(net.parameters(), lr=1e-3)
    for epoch in range(2):
        running = train_one_epoch(net, loader, opt, nn.CrossEntropyLoss())
        print("epoch", epoch, "running:", running)


run()
