"""A sweep killed a hundred times: nothing finished is lost, repeated or changed.

    python experiments/sweep_kill.py [--kills 100] [--seed 1]

A sweep of 150 small cells into a store is killed with SIGKILL, a fifth of the times while it opens the store or
compiles, else while it solves; after each kill the store is read and every lane in it compared bit by bit with a sweep
that nobody killed; the next sweep must begin with exactly the lanes that the store holds. Complete stores are followed
by new ones; the last one is completed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "studies"))

from killed import HERE, kill_often


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    os.environ["PYTHONPATH"] = HERE
    with tempfile.TemporaryDirectory() as folder:
        found = kill_often(Path(folder), options.kills, options.seed)
    print(f"{options.kills} kills: {', '.join(f'{name} {count}' for name, count in found.items())}")
    print("no finished lane was lost, solved again or changed; the last store was completed")


if __name__ == "__main__":
    main()
