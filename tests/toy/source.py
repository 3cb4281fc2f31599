"""Writes the input of the toy stage into the current folder: python source.py NUM_SHARDS."""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.artifacts import shard_name, write_table

if __name__ == "__main__":
    for shard in range(int(sys.argv[1])):
        ids = [f"emoset/a_{shard * 50 + row:05d}" for row in range(50)]
        table = pa.table({"image_id": ids, "value": pa.array(np.arange(50, dtype=np.float64))})
        write_table(Path("data/source/emoset") / shard_name(shard), table)
