"""The vocabulary: every record that crosses the link and is shown, in frozen structs.

A record says something about a tensor, an op, a node; it never holds one. Faces and engine both
import this module, so it imports no torch. ``type`` in the encoded form is the class's name.
Small visible ids: ``#7`` a node, ``%12`` an op, ``@3`` a storage. A record is bounded in size
whatever it describes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Union

from gradrepl.model.answers import *
from gradrepl.model.base import *
from gradrepl.model.base import Record, kinds_of
from gradrepl.model.chain import *
from gradrepl.model.data import *
from gradrepl.model.health import *
from gradrepl.model.looking import *
from gradrepl.model.memory import *
from gradrepl.model.modules import *
from gradrepl.model.running import *
from gradrepl.model.tensors import *

if TYPE_CHECKING:
    AnyRecord = Record
else:
    AnyRecord = Union[kinds_of(Record)]
