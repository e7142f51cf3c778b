"""The kinds of faults that a check tells of: a closed list of words, each with what it means."""

from __future__ import annotations

from typing import NamedTuple


class RuleInfo(NamedTuple):
    """One kind of fault."""

    severity: str
    """'error': the program does not do what it says; 'warning': most likely so; 'note'."""
    what: str
    """What is wrong, in one sentence."""
    fix: str
    """What is mostly written instead."""


E, W, N = "error", "warning", "note"
RULES = {
    # -- gradients that are missing, or zero
    "cut": RuleInfo(
        E,
        "What a parameter became is cut off from the graph on its way to the loss.",
        "Compute with the tensor itself: no detach(), .data, .item() or torch.tensor() on the way.",
    ),
    "no-grad-region": RuleInfo(
        E,
        "A part of the loss is computed where no graph is recorded.",
        "Compute what the loss needs outside of no_grad.",
    ),
    "checkpoint": RuleInfo(
        E,
        "A reentrant checkpoint re-attaches only the tensors that it returns itself.",
        "checkpoint(..., use_reentrant=False), or return the tensors themselves.",
    ),
    "unused-output": RuleInfo(
        W,
        "What was made of a parameter is in no loss.",
        "Add it to the loss, or leave the parameter out of the optimizer.",
    ),
    "zero-derivative": RuleInfo(
        E,
        "An op whose derivative is zero stands on all ways to a parameter.",
        "Use an op that has a derivative, or take the right axis.",
    ),
    "module-flag": RuleInfo(
        E,
        "requires_grad set on a module is an attribute of its own and freezes nothing.",
        "module.requires_grad_(False)",
    ),
    "stale-optimizer": RuleInfo(
        E,
        "A parameter was made after the optimizer, which does not have it.",
        "Make the optimizer when the model is complete, or add_param_group the new ones.",
    ),
    "hidden-modules": RuleInfo(
        E,
        "Layers in a plain list or dict are in no parameters().",
        "nn.ModuleList, nn.ModuleDict or nn.ParameterList.",
    ),
    "data-in-loss": RuleInfo(
        W,
        ".data of a parameter is in the loss: a constant.",
        "Use the parameter itself.",
    ),
    "non-leaf": RuleInfo(
        E,
        ".grad is read of a tensor that is not a leaf.",
        "Make it a leaf: (...).detach().requires_grad_(), or retain_grad().",
    ),
    # -- numbers
    "diverging": RuleInfo(
        E, "The loss grows until it overflows.", "A smaller learning rate, or inputs of one scale."
    ),
    "nonfinite-value": RuleInfo(
        E,
        "An op of the forward makes the first nan or inf.",
        "Keep its inputs where it is defined.",
    ),
    "nonfinite-gradient": RuleInfo(
        E,
        "A node of the backward makes the first nan or inf.",
        "Keep its inputs away from where its derivative is infinite.",
    ),
    "nonfinite-input": RuleInfo(
        E,
        "A tensor has nan or inf in it when it is first used.",
        "Look at where its values come from.",
    ),
    # -- what a backward needs
    "inplace": RuleInfo(
        E,
        "A value that a backward needs was overwritten after the forward saved it.",
        "Compute it out of place, or clone it before the write.",
    ),
    "step-before-backward": RuleInfo(
        E,
        "An optimizer stepped between a forward and its backward.",
        "Step after all backwards of that forward, or run the forward again.",
    ),
    "second-backward": RuleInfo(
        E,
        "A graph is gone through that an earlier backward has freed.",
        "Run the forward again, or cut off (detach) what is carried from step to step.",
    ),
    "stale-copy": RuleInfo(
        E,
        "A value computed of a parameter before its last step is used as it was.",
        "Compute it anew in each step.",
    ),
    "silent-write": RuleInfo(
        E,
        "A write through .data changes what a backward has saved, unseen by torch.",
        "Write after the backward, under torch.no_grad().",
    ),
    "graph-grows": RuleInfo(
        W, "A value carries the graphs of all steps.", "Add numbers (loss.item()), or detach() it."
    ),
    "graph-kept": RuleInfo(
        W, "Results of each step live on with their graphs.", "Keep numbers, or detached copies."
    ),
    "inference": RuleInfo(
        E,
        "A tensor made under inference_mode is used for training.",
        "torch.no_grad() in place of it, or clone() outside.",
    ),
    # -- the order of a step
    "zero-grad-missing": RuleInfo(
        E, "Gradients are never cleared.", "optimizer.zero_grad() before the backward of each step."
    ),
    "zero-grad-before-step": RuleInfo(
        E,
        "Gradients are cleared between the backward and the step.",
        "optimizer.zero_grad() before the backward, not behind it.",
    ),
    "step-without-backward": RuleInfo(
        W, "An optimizer steps with the gradients of the step before.", "Step once a backward."
    ),
    "clip-before-unscale": RuleInfo(
        E,
        "Gradients are clipped while they are multiplied by a GradScaler's scale.",
        "scaler.unscale_(optimizer) before the clip.",
    ),
    "clip-of-nothing": RuleInfo(
        W, "Clipping is given no parameter.", "Give it model.parameters() anew, or a list."
    ),
    "clip-after-step": RuleInfo(
        W, "Gradients are clipped after the step has used them.", "Clip between backward and step."
    ),
    "scheduler-first": RuleInfo(
        W,
        "A scheduler steps before its optimizer ever has.",
        "optimizer.step() first, then scheduler.step().",
    ),
    "scheduler-other": RuleInfo(
        W,
        "A scheduler steps for an optimizer that is not used any more.",
        "Make the scheduler for the optimizer that steps.",
    ),
    "autocast-cache": RuleInfo(
        E,
        "autocast is around an optimizer's step, and keeps its copies of the weights.",
        "Put autocast around the forward and the loss of one step.",
    ),
    "left-in-eval": RuleInfo(
        W,
        "A model is trained on in eval mode after an evaluation.",
        "model.train() before the training goes on.",
    ),
    "evaluated-in-training": RuleInfo(
        W,
        "A function that evaluates runs the model in training mode.",
        "model.eval() before, and model.train() behind it.",
    ),
    "frozen-statistics": RuleInfo(
        W,
        "A frozen batch norm still moves its running statistics.",
        "Put the frozen part in eval mode behind model.train().",
    ),
    # -- shapes
    "loss-broadcast": RuleInfo(
        E,
        "(N, 1) against (N,): each prediction is compared with each target.",
        "Give both one shape: prediction.squeeze(1), or target.unsqueeze(1).",
    ),
    "applied-twice": RuleInfo(
        W, "A function is given what it applies itself.", "Take the inner one away."
    ),
    # -- Functions and hooks
    "ctx-cycle": RuleInfo(
        W, "A Function keeps its own output on ctx.", "ctx.save_for_backward(output)"
    ),
    "function-double-backward": RuleInfo(
        E,
        "A backward that is differentiated uses a value on ctx that has no graph.",
        "Save the input, and compute the value of it anew in backward.",
    ),
    "hook-order": RuleInfo(
        E,
        "A full backward hook reads .grad before it is there.",
        "parameter.register_post_accumulate_grad_hook(...)",
    ),
    "hook-accumulates": RuleInfo(
        E, "One hook is registered again in each step.", "Register it once, or remove its handle."
    ),
    # -- data
    "sampler-weights": RuleInfo(
        E, "A WeightedRandomSampler has too few weights.", "One weight for each sample."
    ),
    "loader-arguments": RuleInfo(
        E, "A BatchSampler is given as sampler.", "DataLoader(dataset, batch_sampler=...)"
    ),
    "duplicate-samples": RuleInfo(
        E,
        "Each worker goes through the whole IterableDataset.",
        "Share the samples out in __iter__ by torch.utils.data.get_worker_info().",
    ),
    "shared-handle": RuleInfo(
        E,
        "Workers share one open file and its position.",
        "Open it in the worker: at the first __getitem__, or in worker_init_fn.",
    ),
    "worker-rng": RuleInfo(
        E,
        "Each worker has a copy of one generator and draws the same numbers.",
        "Seed it in worker_init_fn from torch.initial_seed().",
    ),
    "stale-workers": RuleInfo(
        E,
        "Persistent workers hold the dataset as it was when they started.",
        "persistent_workers=False, or keep the state in shared memory.",
    ),
    # -- what the program let through
    "no-graph": RuleInfo(E, "A backward starts at what has no graph.", "Let a leaf require it."),
    "not-scalar": RuleInfo(E, "A backward starts at many elements.", "Reduce it: .sum(), .mean()."),
    "shape": RuleInfo(E, "Shapes do not fit together.", "Look at the shapes of the inputs."),
    "dtype": RuleInfo(E, "Dtypes do not fit together.", "Cast one of them: .to(dtype)."),
    "device": RuleInfo(E, "Tensors are on several devices.", "Move them: .to(device)."),
    "index-out-of-range": RuleInfo(
        E, "An index is beyond an embedding's rows.", "Give the table a row for each index."
    ),
    "target-out-of-range": RuleInfo(
        E, "A target is no class of the model.", "Give the last layer an output for each class."
    ),
    "function-gradients": RuleInfo(
        E,
        "A Function's backward returns other gradients than its forward takes inputs.",
        "Return one gradient, or None, for each argument of forward.",
    ),
    "functional-capture": RuleInfo(
        E,
        "A layer writes to buffers that a functional call was not given.",
        "Give functional_call the buffers, too, or put the layer in eval mode.",
    ),
    "batchnorm-single": RuleInfo(E, "A batch of one sample meets a BatchNorm.", "drop_last=True"),
    "collate": RuleInfo(
        E,
        "Samples do not fit together in a batch.",
        "Make them of one shape, or pad in collate_fn.",
    ),
    "collate-none": RuleInfo(
        E, "A batch is None.", "Return a batch always, or skip None in the loop."
    ),
    "worker": RuleInfo(
        E, "A worker of a DataLoader has failed.", "num_workers=0 shows the error itself."
    ),
    "unpicklable": RuleInfo(
        E,
        "What is sent to a spawned worker is defined inside of a function.",
        "Define it at the top of a file.",
    ),
    "sparse-gradient": RuleInfo(
        E, "An optimizer does not take sparse gradients.", "SparseAdam, or sparse=False."
    ),
    "unused-parameters": RuleInfo(
        E,
        "DistributedDataParallel waits for parameters that take no part in the loss.",
        "find_unused_parameters=True, or use them.",
    ),
    "torch": RuleInfo(E, "torch has raised.", "See its message."),
    "exception": RuleInfo(N, "The program has ended with an exception of its own.", ""),
    "check-failed": RuleInfo(N, "A rule of the check itself has failed.", "Please report it."),
}
"""By its word, in the order of the documentation."""
