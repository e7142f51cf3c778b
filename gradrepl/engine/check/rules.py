"""All rules, in the order in which they are asked."""

from __future__ import annotations

from gradrepl.engine.check import (
    functions,
    gradients,
    graphs,
    loaders,
    membership,
    modes,
    numbers,
    shapes,
    steps,
    uncaught,
)

RULES = (
    gradients.Switches,
    gradients.NoGradient,
    gradients.ZeroDerivative,
    membership.ModuleFlag,
    membership.NoOptimizer,
    membership.Hidden,
    numbers.NonFinite,
    graphs.Grows,
    graphs.Kept,
    graphs.StaleCopy,
    graphs.SilentWrite,
    graphs.DataInLoss,
    graphs.ManyHooks,
    shapes.Broadcast,
    shapes.Twice,
    steps.Order,
    steps.Clip,
    steps.Scheduler,
    modes.AutocastCache,
    modes.LeftInEval,
    modes.EvaluatedInTraining,
    modes.FrozenStatistics,
    functions.Context,
    functions.EarlyHook,
    loaders.Loaders,
    uncaught.Uncaught,
)
