"""Logging as large programs set it up: a configuration, a queue with its thread, who called."""

import io
import logging
import logging.config
import logging.handlers
import queue
import threading
import warnings

import torch
from _digest import report, seed
from torch import nn

logging.config.dictConfig({
    "version": 1,
    "formatters": {
        "who": {"format": "%(levelname)s %(filename)s:%(lineno)d %(funcName)s %(message)s"},
    },
    "handlers": {
        "out": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "who"},
        "err": {"class": "logging.StreamHandler", "level": "WARNING", "formatter": "who"},
    },
    "root": {"level": "DEBUG", "handlers": ["out", "err"]},
    "loggers": {"torch": {"level": "WARNING"}},
})  # fmt: skip
logging.captureWarnings(True)
log = logging.getLogger("train")
lines = queue.SimpleQueue()
queued = io.StringIO()
listener = logging.handlers.QueueListener(lines, logging.StreamHandler(queued))
quiet = logging.getLogger("queued")
quiet.propagate = False
quiet.addHandler(logging.handlers.QueueHandler(lines))
listener.start()


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 2)

    def forward(self, x):
        log.debug("forward %s", tuple(x.shape))
        y = self.fc(x)
        y.register_hook(lambda gradient: log.info("gradient %.6f", gradient.norm()))
        return y


def train(model, optimizer):
    for step in range(2):
        loss = nn.functional.mse_loss(model(torch.randn(4, 3)), torch.zeros(4, 1))  # warns
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        log.info("step %d loss %.8f", step, loss)
        quiet.warning("queued %d in %s", step, threading.current_thread().name)


seed(46)
model = Net()
optimizer = torch.optim.Adam(model.parameters())
train(model, optimizer)
warnings.warn("mine", stacklevel=1)
try:
    model(torch.randn(4, 9))
except RuntimeError:
    log.exception("caught")
print(log.findCaller()[1:3])
listener.stop()
print(queued.getvalue())
report(model=model, optimizer=optimizer)
