"""Fork server -> subreaper: for the fork server to import, which then adopts orphans of cells.

See `family`. Python's fork server warns of each child it has not forked itself.
"""

from __future__ import annotations

import warnings

from actspec_bench.running.family import adopt_orphans

warnings.filterwarnings("ignore", message="forkserver: waitpid returned unexpected pid")
adopt_orphans()
