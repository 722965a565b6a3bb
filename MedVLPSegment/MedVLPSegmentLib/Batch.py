"""A folder of scans in, segmentations and one table out; runs without Slicer's application, and without Slicer.

    PythonSlicer -m MedVLPSegmentLib.Batch IN OUT --structures "liver, left kidney"

Scans are read and results written in this process; the network runs in the worker's. A scan that fails is a line in the
table. A batch that was stopped goes on where it was when it is started again.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from MedVLPLib.Texts import _
from MedVLPSegmentLib.BatchInputs import Scan, findScans
from MedVLPSegmentLib.BatchRecord import ENDING, Record, earlierRecord, writeRecords
from vlp3d_core.errors import Cancelled, MedVLPError, UsageError
from vlp3d_core.service.client import Worker
from vlp3d_core.volume.segmentation import Segmentation

FORMATS = (".seg.nrrd", ".nii.gz", ".nii", ".dcm")
TABLE = "results.csv"
Progress = Callable[[str, float], None]
Cancel = Callable[[], bool]


def segmentFolder(
    folder: str | Path,
    out: str | Path,
    worker: Worker,
    structures: Sequence[str] | None = None,
    model: str | None = None,
    device: str = "auto",
    formats: Sequence[str] = (".seg.nrrd",),
    overwrite: bool = False,
    modality: str | None = None,
    progress: Progress = lambda scan, fraction: None,
    cancel: Cancel = lambda: False,
) -> Path:
    """Segment every scan below `folder` and write results under the same names below `out`.

    Args:
        folder: NIfTI, NRRD and MetaImage files and DICOM series in any mix, also in subfolders.
        out: is made if need be. Beside each result lies a `.run.json`; the table `results.csv` is complete after every
            scan.
        structures: concept ids, names or texts; None is all that the model knows.
        formats: endings of the files to write for each scan: `.seg.nrrd`, `.nii.gz`, `.nii`, `.dcm`.
        overwrite: segment again what an earlier batch has finished.
        modality: "CT", "MR", "EM" or "PT" for files that do not say it.
        progress: told the name of the scan and the fraction of the whole batch.
        cancel: asked often; when it says True the batch ends.

    Returns:
        the table: one line a structure, one line for a scan that failed.

    Raises:
        MedVLPError: no scans, or `out` cannot be written.
        UsageError: an unknown structure, model, device or format.
        Cancelled: `cancel` said so; finished results and the table stay.
    """
    unknown = [ending for ending in formats if ending not in FORMATS]
    if unknown or not formats:
        raise UsageError(
            _("'{ending}' is not a format for segmentations.").format(ending="".join(unknown[:1])),
            _("Use one or more of {formats}.").format(formats=", ".join(FORMATS)),
        )
    folder, out = Path(folder), Path(out)
    scans = findScans(folder, out)
    _protectInputs(scans, out, formats)
    table = out / TABLE
    asked = {"structures": None if structures is None else list(structures), "model": model, "modality": modality}
    records: list[Record] = []
    for number, scan in enumerate(scans):

        def tell(fraction: float, scan: Scan = scan, number: int = number) -> None:
            progress(scan.name, (number + fraction) / len(scans))

        tell(0.0)
        try:
            if cancel():
                raise Cancelled
            records.append(_one(scan, out, worker, asked, device, formats, overwrite, tell, cancel))
        except Cancelled:
            raise Cancelled(_("Finished: {count} of {total} scans, in {folder}.").format(
                count=number, total=len(scans), folder=out
            )) from None  # fmt: skip
        _makeFolder(out)
        writeRecords(records, table)
    progress("", 1.0)
    return table


def _one(
    scan: Scan, out: Path, worker: Worker, asked: dict[str, Any], device: str, formats: Sequence[str],
    overwrite: bool, tell: Callable[[float], None], cancel: Cancel,
) -> Record:  # fmt: skip
    """One scan from its files to its results; what goes wrong with it alone is in the record."""
    begun = time.monotonic()
    results = [out / f"{scan.name}{ending}" for ending in formats]
    try:
        asked = {**asked, "files": scan.fingerprint()}
        note = out / f"{scan.name}{ENDING}"
        kept = None if overwrite else earlierRecord(note, asked, results)
        if kept is not None:
            kept.scan = scan.name
            return kept
        if scan.error is not None:
            raise scan.error
        record = Record(scan.name, "done", asked)
        _makeFolder(note.parent)
        note.unlink(missing_ok=True)  # no longer true while results are being replaced
        record.take(_segment(scan, worker, asked, device, results, tell, cancel))
        record.seconds = time.monotonic() - begun
        record.write(note)
        return record
    except (Cancelled, UsageError):
        raise
    except (MedVLPError, OSError, MemoryError) as error:
        told = " ".join(str(error).split()) or type(error).__name__
        return Record(scan.name, "failed", seconds=time.monotonic() - begun, error=told)


def _segment(
    scan: Scan, worker: Worker, asked: dict[str, Any], device: str, results: Sequence[Path],
    tell: Callable[[float], None], cancel: Cancel,
) -> Segmentation:  # fmt: skip
    # Not at the top of the file: reading needs libraries that a look at the help should not wait for.
    from vlp3d_core.volume.read import read_volume
    from vlp3d_core.volume.write import check_writable, write_segmentation

    volume = read_volume(scan.path, asked["modality"], scan.series)
    for path in results:
        check_writable(path, volume)
    job = worker.segment(volume, asked["structures"], model=asked["model"], device=device)
    del volume  # the worker has its own copy
    while not job.ended:
        if cancel():
            worker.cancel(job)
        worker.poll()
        tell(job.fraction)
        time.sleep(0.01)
    if job.state == "cancelled":
        raise Cancelled
    if job.error is not None:
        raise job.error
    segmentation: Segmentation = job.result
    for path in results:
        write_segmentation(segmentation, path)
    return segmentation


def _protectInputs(scans: Sequence[Scan], out: Path, formats: Sequence[str]) -> None:
    """Refuse results that would be written over a scan."""
    inputs = {file.resolve() for scan in scans for file in scan.files}
    for result in (out / f"{scan.name}{ending}" for scan in scans for ending in formats):
        if result.resolve() in inputs:
            raise UsageError(
                _("{file} would be written over a scan.").format(file=result), _("Give another folder for the results.")
            )


def _makeFolder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MedVLPError(
            _("Cannot write into {folder}: {reason}.").format(folder=folder, reason=error.strerror or error),
            _("Choose a folder that is writable."),
        ) from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="MedVLPSegmentLib.Batch", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path, metavar="IN", help="NIfTI, NRRD, MetaImage files and DICOM series")
    parser.add_argument("out", type=Path, metavar="OUT", help="results.csv, and one result for each scan")
    parser.add_argument("--structures", metavar='"A,B"', help="only these; default: all that the model knows")
    parser.add_argument("--model", metavar="NAME|FOLDER")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"))
    parser.add_argument("--modality", metavar="CT", help="CT, MR, EM or PT, where the files do not say it")
    parser.add_argument(
        "--formats", default=FORMATS[0], metavar="A,B", help=f"of {', '.join(FORMATS)}; default: %(default)s"
    )
    parser.add_argument("--overwrite", action="store_true", help="segment again what is finished already")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line: 0 all scans done, 1 some failed or stopped, 2 wrong usage."""
    args = _parser().parse_args(arguments)
    seen: list[str] = []

    def tell(scan: str, fraction: float) -> None:
        if scan and seen[-1:] != [scan]:
            seen.append(scan)
            print(f"{fraction:4.0%}  {scan}", file=sys.stderr, flush=True)

    worker = Worker()
    try:
        structures = [args.structures] if args.structures else None
        formats = ["." + part.strip().lstrip(".") for part in args.formats.split(",")]
        table = segmentFolder(
            args.folder, args.out, worker, structures, args.model, args.device, formats, args.overwrite,
            args.modality, tell,
        )  # fmt: skip
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except MedVLPError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped. Start it again to go on.", file=sys.stderr)
        return 1
    finally:
        worker.close()
    print(table)
    with table.open(encoding="utf-8", newline="") as file:
        return int(any(row["status"] == "failed" for row in csv.DictReader(file)))


if __name__ == "__main__":
    sys.exit(main())
