"""Late localisation: the lowest score comes after the first error, of the solutions that go on after it.

A PRM that values whole prefixes does so without a flaw, which is why it stands apart. It is the one measure for which
steps after the first error count.
"""

from __future__ import annotations

import numpy as np

from ttstudy.kinds.flaws._flaw import Flaw, Look, Share, Steps


def _measure(steps: Steps) -> Share:
    right, error = steps.is_right, steps.is_error
    after = steps.lowest(~right & ~error)
    upto = np.minimum(steps.lowest(right), steps.lowest(error))
    late = np.flatnonzero(~steps.clean)
    late = late[np.isfinite(after[late])]
    return Share((after[late] < upto[late]).astype(float), late)


FLAW = Flaw(
    look=Look("Lowest score after the error", "late localisation"),
    rank=30,
    source="this study; beside localisation bias",
    measure=_measure,
    of_prefixes=True,
)
