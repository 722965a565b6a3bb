"""`find` on a volume that has been encoded: how long a query takes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from Testing.benchmarks.patient import model_bundle, patient_file
from Testing.benchmarks.table import Row

QUERIES = 20
LIMIT_MS = 100.0


def find(folder: Path, say: Callable[[str], None]) -> list[Row]:
    """Median of 20 queries after one to warm up: each of the model's structures in turn, with all its names."""
    from vlp3d_core.predict.loaded import load_model
    from vlp3d_core.text.concepts import concepts
    from vlp3d_core.volume import read_volume

    path, what = patient_file(folder)
    bundle = model_bundle(folder)
    say(f"find: encoding {what}")
    model = load_model(bundle.folder, device="cpu")
    start = time.perf_counter()
    encoded = model.encode(read_volume(path, modality="CT"))
    encoding = time.perf_counter() - start
    known = [concepts()[name] for name in bundle.concepts]
    texts = _texts([(c.name, *c.synonyms) for c in known])
    model.find(encoded, texts[0])
    seconds, regions = [], 0
    say(f"find: {len(texts)} queries")
    for text in texts:
        start = time.perf_counter()
        regions += len(model.find(encoded, text))
        seconds.append(time.perf_counter() - start)
    grid = "×".join(map(str, encoded.grid.shape))
    name = f"find, {what}, {bundle.name}"
    return [
        Row(name, f"median of {len(texts)} queries on {grid} voxels, ms", 1e3 * statistics.median(seconds), LIMIT_MS),
        Row(name, "slowest query, ms", 1e3 * max(seconds)),
        Row(name, "regions found by all queries", regions, digits=0),
        Row(name, "encoding, once, s", encoding),
    ]


def _texts(names: list[tuple[str, ...]]) -> list[str]:
    """Names of all structures in turn: first every first name, then every second one, and so on."""
    rounds = ([words[n % len(words)] for words in names] for n in range(QUERIES))
    return list(islice((text for one in rounds for text in one), QUERIES))
