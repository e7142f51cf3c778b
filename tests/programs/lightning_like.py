"""A small trainer with hooks at every point: a step by closure, norms by full backward hooks."""

import torch
from _digest import report, seed
from torch import nn


class Module(nn.Module):
    def on_before_backward(self, loss):
        trainer.note("before backward", loss)

    def on_after_backward(self):
        grads = [p.grad.norm() for p in self.parameters() if p.grad is not None]
        trainer.note("after backward", torch.stack(grads).norm())

    def on_before_optimizer_step(self, optimizer):
        trainer.note("before step", optimizer.param_groups[0]["params"][0].grad.norm())


class Regression(Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 6), nn.ELU(), nn.Linear(6, 1))

    def training_step(self, batch):
        return nn.functional.mse_loss(self.body(batch[0]), batch[1])

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.05, momentum=0.9)


class Wrapped:
    """An optimizer that calls the one it holds, as trainers put around the user's."""

    def __init__(self, optimizer):
        self._optimizer = optimizer
        self.__class__ = type("Wrapped" + type(optimizer).__name__, (Wrapped, type(optimizer)), {})
        self.__dict__.update(optimizer.__dict__)

    def step(self, closure):
        return self._optimizer.step(closure)


class Trainer:
    def __init__(self):
        self.notes = []

    def note(self, what, value):
        self.notes.append(f"{what} {value.item():.8f}")

    def fit(self, module, batches):
        self.module = module
        self.optimizer = Wrapped(module.configure_optimizers())
        handles = [
            module.body[0].register_full_backward_hook(self.seen),
            module.body.register_forward_pre_hook(self.entered, with_kwargs=True),
            nn.modules.module.register_module_forward_hook(self.any_module),
        ]
        for self.index, batch in enumerate(batches):
            self.optimizer.step(closure=lambda batch=batch: self.closure(batch))
        for handle in handles:
            handle.remove()

    def closure(self, batch):
        with torch.enable_grad():
            loss = self.module.training_step(batch)
        self.optimizer.zero_grad()
        self.module.on_before_backward(loss)
        loss.backward()
        self.module.on_after_backward()
        self.module.on_before_optimizer_step(self.optimizer)
        return loss

    def seen(self, module, grad_input, grad_output):
        self.note("full", grad_output[0].norm())

    def entered(self, module, arguments, keywords):
        self.note("entered", arguments[0].norm())

    def any_module(self, module, arguments, output):
        self.note(type(module).__name__, output.norm())


seed(48)
trainer = Trainer()
module = Regression()
trainer.fit(module, [(torch.randn(4, 3), torch.randn(4, 1)) for _ in range(3)])
print(*trainer.notes, sep="\n")
report(module=module, optimizer=trainer.optimizer)
