"""pdb's functions, called by a program."""

import pytest

import gradrepl

HEAD = "import torch, gradrepl\nx = torch.tensor([1.0, 2.0], requires_grad=True)\n"


def test_post_mortem_and_pm(start):
    t = start(
        HEAD + "def f(y):\n    z = y * 2\n    return z @ torch.ones(3)\n"
        "try:\n    f(x)\nexcept RuntimeError:\n    gradrepl.post_mortem()\nprint('between')\n"
        "import sys\n"
        "try:\n    f(x)\nexcept RuntimeError as e:\n    sys.last_value = e\n"
        "gradrepl.pm()\nprint('the end')\n"
    )
    t.wait("(grad:pm)")
    t.enter("z.tolist()", "[2.0, 4.0]")
    t.enter("u", "f(x)")
    t.enter("c", "between")
    t.wait("(grad:pm)")
    t.enter("z.shape", "torch.Size([2])")
    t.enter("q", "the end")
    assert t.code() == 0


def test_without_an_exception_they_say_so():
    with pytest.raises(ValueError, match="needs a traceback"):
        gradrepl.post_mortem()
    with pytest.raises(gradrepl.StateError, match="there is no last exception"):
        gradrepl.pm()


def test_run_runeval_runcall_embed(start):
    t = start(
        HEAD + "def f(y, k):\n    z = y * k\n    return z.sum()\n"
        "print('value', gradrepl.runcall(f, x, k=3).item())\n"
        "print('value', gradrepl.runeval('f(x, 4)').item())\n"
        "gradrepl.run('made = f(x, 5)')\nprint('made', made.item())\n"
        "print('left', gradrepl.runcall(f, x, 6))\n"
        "gradrepl.embed(header='look around')\nprint('the end')\n"
    )
    t.wait("z = y * k")
    t.enter("s", "%1")
    t.enter("k", "3")
    t.enter("c", "value 9.0")
    t.wait("(grad)")
    t.enter("c", "value 12.0")
    t.wait("(grad)")
    t.enter("c", "made 15.0")
    t.wait("(grad)")
    t.enter("q", "left None")
    t.wait("look around")
    t.enter("made.item()", "15.0")
    t.enter("c", "the end")
    assert t.code() == 0
