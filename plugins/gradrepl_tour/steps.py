"""What the tour shows, step by step: the text, what is typed for it, and what is guessed before."""

from __future__ import annotations

from dataclasses import dataclass

EXAMPLE = "two_paths"
STARTED, MADE, BACKWARD, ENDED = 1, 2, 2, 7
"""How far the example is; node #N of its backward is ``BACKWARD + N``."""
BUILD = "left = 3 * a; right = a**2; L = left * right"


@dataclass(frozen=True)
class Step:
    """One thing to see; ``{expression}`` in its texts is worked out in the program."""

    text: str
    type: str
    goal: int
    """How far the example is when it is done; 0: ``entered`` says when."""
    entered: str = ""
    """A pattern for the entry that does it."""
    why: str = ""
    """A number is guessed before; this explains the one that arrives."""
    traps: tuple[tuple[str, str], ...] = ()
    """A wrong number that is often guessed, and what it was taken for."""


STEPS = (
    Step(
        "You will see the chain rule happen. In the example L = left * right, and both are made "
        "of a: two paths lead from L to a. Load it: it stops before its first op.",
        f":load {EXAMPLE}",
        STARTED,
    ),
    Step(
        "Each s runs one op and stops with its result (●). Go on until L is made: four times.",
        "s",
        MADE,
    ),
    Step(
        "L stands. One s more begins L.backward(), and the engine stops before its first node, "
        "the one that made L. What arrives there is dL/dL = 1.",
        "s",
        BACKWARD + 1,
    ),
    Step(
        "Next the engine runs this node and stops at #2, which made right. L = left * right with "
        "left = {left} and right = {right}. Predict what arrives there: dL/dright.",
        "s",
        BACKWARD + 2,
        why="L = left * right, so dL/dright is left, and left is {left}.",
        traps=(("{right}", "That is right itself: its factor is left."),),
    ),
    Step(
        "Then comes #3, which made left. Predict what arrives there: dL/dleft.",
        "s",
        BACKWARD + 3,
        why="dL/dleft is the other factor, right, and right is {right}.",
        traps=(("{left}", "That is left itself: its factor is right."),),
    ),
    Step(
        "At #4 both paths reach a. right = a**2 passes on dL/dright times 2a, and left = 3 * a "
        "passes on dL/dleft times 3. Predict what arrives at a: its gradient.",
        "s",
        BACKWARD + 4,
        why="By left {right} x {left / a} = {right * (left / a)}, by right {left} x {2 * a} = "
        "{left * 2 * a}: where paths meet, gradients are added.",
        traps=(
            ("{right * (left / a)}", "That is the path by left alone."),
            ("{left * 2 * a}", "That is the path by right alone."),
            ("{right * (left / a) * left * 2 * a}", "Along a path one multiplies, paths add up."),
        ),
    ),
    Step(
        "You have seen every node. c runs on to the end: the script prints both routes, their "
        "sum and a.grad.",
        "c",
        ENDED,
    ),
    Step(
        "The backward has freed its graph, so build it again. What is no command is Python, run "
        "in the script's own names.",
        BUILD,
        0,
        entered=r"\bL\s*=",
    ),
    Step(
        "Now ask for every path from L to a, and for the sum.",
        ":paths L a",
        0,
        entered=r":?paths\b",
    ),
)
FAREWELL = (
    "That was the tour: along a path derivatives are multiplied, and paths add up to the gradient, "
    "as autograd says itself. ':examples' has more of this kind, ':help' every command."
)
