import torch
from torch import nn


class Callback:
    def on_batch_end(self, engine, loss):
        pass


class StepCallback(Callback):
    def on_batch_end(self, engine, loss):
        engine.opt.step()


class Printer(Callback):
    def on_batch_end(self, engine, loss):
        print("loss", round(loss.item(), 5))


class Engine:
    def __init__(self, net, opt, callbacks):
        self.net, self.opt, self.callbacks = net, opt, callbacks

    def backward_and_step(self, loss):
        self.opt.zero_grad()
        loss.backward()
        self.opt.step()

    def run(self, batches):
        for x, y in batches:
            loss = nn.functional.cross_entropy(self.net(x), y)
            self.backward_and_step(loss)
            for cb in self.callbacks:
                cb.on_batch_end(self, loss)


torch.manual_seed(9)
net = nn.Sequential(nn.Linear(6, 10), nn.ReLU(), nn.Linear(10, 3))
x = torch.randn(5, 16, 6)
y = x[..., :3].argmax(-1)
engine = Engine(net, torch.optim.Adam(net.parameters(), lr=1e-2), [StepCallback(), Printer()])
engine.run(zip(x, y))
