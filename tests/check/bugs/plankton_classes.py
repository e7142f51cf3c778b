import torch
from torch import nn


class Plankton(nn.Module):
    def __init__(self, kinds=6):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
        self.fc = nn.Linear(8 * 16, kinds)
        self.out = nn.Softmax(dim=1)

    def forward(self, image):
        return self.out(self.fc(self.features(image)))


class Fitter:
    def __init__(self, model, loss):
        self.model, self.loss = model, loss
        self.opt = torch.optim.Adam(model.parameters(), lr=2e-3)

    def __call__(self, images, kinds):
        self.opt.zero_grad()
        value = self.loss(self.model(images), kinds)
        value.backward()
        self.opt.step()
        return value.item()


torch.manual_seed(19)
images = torch.rand(30, 1, 10, 10)
kinds = torch.randint(0, 6, (30,))
classifier = Plankton()
fit = Fitter(classifier, nn.CrossEntropyLoss())
print([round(fit(images, kinds), 4) for _ in range(6)])
