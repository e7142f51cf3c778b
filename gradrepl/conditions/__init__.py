"""When to stop: one struct a kind. Breakpoints and the stepping verbs are both conditions.

A face reads them (``parse``), the engine asks them: ``condition.matches(event)`` asks an
:class:`~gradrepl.event.Event` that the engine made of an op or a node. A new kind of breakpoint is
one class in ``kinds``; a plugin brings one of the same.
"""

from gradrepl.conditions.base import *
from gradrepl.conditions.joined import *
from gradrepl.conditions.kinds import *
from gradrepl.conditions.parser import *
from gradrepl.conditions.verbs import *
