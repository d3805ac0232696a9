"""``python -m actspec_bench``."""

from __future__ import annotations

from actspec_bench.cli.group import main

if __name__ == "__main__":
    main()
