"""The loop of the tutorials: phases, set_grad_enabled, the best weights kept by deepcopy."""

import copy

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split


def train_model(model, loaders, criterion, optimizer, scheduler, epochs):
    best, best_accuracy = copy.deepcopy(model.state_dict()), 0.0
    for epoch in range(epochs):
        for phase in ("train", "val"):
            model.train(phase == "train")
            running_loss, running_corrects, count = 0.0, 0, 0
            for inputs, labels in loaders[phase]:
                optimizer.zero_grad()
                with torch.set_grad_enabled(phase == "train"):
                    outputs = model(inputs)
                    _, predicted = torch.max(outputs, 1)
                    loss = criterion(outputs, labels)
                    if phase == "train":
                        loss.backward()
                        optimizer.step()
                running_loss += loss.item() * inputs.size(0)
                running_corrects += torch.sum(predicted == labels.data)
                count += inputs.size(0)
            if phase == "train":
                scheduler.step()
            accuracy = running_corrects.double().item() / count
            if phase == "val" and accuracy > best_accuracy:
                best_accuracy, best = accuracy, copy.deepcopy(model.state_dict())
        print(f"epoch {epoch}: loss {running_loss / count:.3f}, accuracy {accuracy:.3f}")
    model.load_state_dict(best)
    return best_accuracy


def main():
    torch.manual_seed(0)
    x = torch.randn(400, 2)
    y = (x[:, 0].abs() > x[:, 1].abs()).long()
    train, val = random_split(TensorDataset(x, y), [0.75, 0.25])
    loaders = {
        "train": DataLoader(train, batch_size=30, shuffle=True),
        "val": DataLoader(val, batch_size=100),
    }
    model = nn.Sequential(nn.Linear(2, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=5, gamma=0.3)
    best = train_model(model, loaders, nn.CrossEntropyLoss(), optimizer, scheduler, epochs=8)
    assert best > 0.85


if __name__ == "__main__":
    main()
