"""What is said about the errors that torch raises: which tensor, why, and what to do."""

from __future__ import annotations

import pytest
from debuggee import Debuggee

from gradrepl import model

MADE = "w = torch.rand(3, requires_grad=True); h = w * 2; n = torch.arange(3)\n"
WRONGS = {
    "h.requires_grad_(False)": ("'h' is not a leaf: mul (", "h.detach()"),
    "h.requires_grad = False": ("'h' is not a leaf: mul (", "h.detach()"),
    "n.requires_grad_()": ("'n' has dtype int64; it was made by arange (", "n.float()"),
    "n.requires_grad = True": ("'n' has dtype int64", "n.float()"),
    "torch.tensor([1], requires_grad=True)": ("Only floating point and complex", "float32"),
    "h.numpy()": ("'h' is not a leaf", "h.detach().clone().numpy()"),
    "w.numpy()": ("'w' is a leaf", "w.detach().numpy() shares its memory"),
    "w.add_(1)": ("'w' is a leaf that requires a gradient", "torch.no_grad()"),
    "w += n": ("'w' is a leaf that requires a gradient", "torch.no_grad()"),
    "v = w[:1]; v.add_(1)": ("'v' is a view of a leaf", "torch.no_grad()"),
    "import copy; copy.deepcopy(h)": ("'h' is not a leaf", "h.detach()"),
    "import copy; m = nn.Linear(1, 1); m.kept = h; copy.deepcopy(m)": (
        "'m.kept' is not a leaf",
        "",
    ),
    "ts = [w, h]; torch.optim.SGD(ts)": ("'ts[1]' is not a leaf", "the leaf that it was"),
    "torch.optim.SGD([])": ("Layers in a plain list", "nn.ModuleList"),
    "m = nn.Module(); m.ls = [nn.Linear(1, 1)]; torch.optim.SGD(m.parameters())": (
        "'m.ls[0].weight' is in a plain list of Module", "nn.ModuleList",
    ),
    "w.grad = torch.ones(2)": ("A gradient has the shape of its tensor.", ""),
    "with torch.inference_mode(): i = torch.ones(3)\n(i * w).sum()": (
        "'i' was made under inference_mode by ones under inference_mode (", "i.clone()",
    ),
    "with torch.inference_mode(): i = torch.ones(3)\ni.add_(1)": ("'i' was made", "i.clone()"),
    "x = h.clone().split(2)[0]; x.mul_(2)": ("Write out of place", "clone"),
    "y = h.clone()\nwith torch.no_grad(): v = y[:2]\nv.mul_(2)": (
        "'v' is a view made by __getitem__ under no_grad (", "both outside",
    ),
    "n.sum().backward()": ("'n' is a leaf: its dtype int64", ""),
    "h.backward()": ("'h' has shape (3,)", "h.backward(torch.ones(3,))"),
    "torch.autograd.grad(w.sum(), [w, h])": ("'h' is not on the way from 'w.sum()'", "allow_"),
    "torch.autograd.grad(h.sum(), n)": ("'n' is a leaf: its dtype int64", ""),
    "n.retain_grad()": ("'n' is a leaf", ""),
    "n.register_hook(print)": ("'n' is a leaf", ""),
    "h.register_post_accumulate_grad_hook(print)": ("'h' is not a leaf", "A leaf is the place"),
    "m = nn.Linear(1, 1); m.weight = m.weight * 2": ("A Parameter stays one", "copy_()"),
}  # fmt: skip


@pytest.mark.parametrize("code", WRONGS, ids=range(len(WRONGS)))
def test_the_tensor_is_named(d: Debuggee, code: str) -> None:
    d.type(MADE)
    error = d.type(code)
    assert isinstance(error, model.Error), error
    begin, part = WRONGS[code]
    if "differentiated Tensors appears" in error.message:  # torch < 2.12 does not tell which one
        begin = "One of the inputs is not on the way"
    assert error.hint.startswith(begin), error.hint
    assert part in error.hint, error.hint


FUNCTIONS = """\
class G(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, y): return x * y
    @staticmethod
    def backward(ctx, g): return g
"""


def test_what_a_backward_must_return(d: Debuggee) -> None:
    d.type(MADE)
    d.type(FUNCTIONS)
    error = d.type("G.apply(w, h).sum().backward()")
    assert error.hint == (
        "G.forward takes x, y: G.backward, line 4, must return one gradient for each, of its "
        "shape, or None where there is none."
    )


def test_whose_hook_makes_a_view(d: Debuggee) -> None:
    d.type("net = nn.Sequential(nn.Linear(3, 3), nn.ReLU(inplace=True))")
    d.type("def watch(*found): pass")
    d.type("net[0].register_full_backward_hook(watch)")
    error = d.type("net(torch.ones(1, 3))")
    assert error.hint.startswith("The full backward hook watch (")
    assert "on '0'" in error.hint


def test_it_is_found_in_the_users_own_function(d: Debuggee) -> None:
    d.type(MADE)
    d.type("class Box: pass\nbox = Box(); box.t = h\ndef f(b):\n    return b.t.numpy()")
    assert d.type("f(box)").hint.startswith("'b.t' is not a leaf")


def test_a_gradient_that_is_none_says_why(d: Debuggee) -> None:
    d.type("import warnings; warnings.simplefilter('ignore')")
    d.type(MADE + "u = torch.ones(1, requires_grad=True); net = nn.Linear(1, 1)")
    assert d.type("h.grad").message.startswith("h.grad is none: not a leaf")
    assert "':retain h'" in d.type("h.grad").message
    assert d.type("net.weight.grad").message.startswith("net.weight.grad is none: no backward")
    d.type("h.sum().backward()")
    assert "never reached: 'w' has a gradient" in d.type("u.grad").message
    assert isinstance(d.type("w.grad"), model.Value)
    assert d.type("None") is None
    assert d.type("n.grad").message == "n.grad is none: it does not require a gradient."
