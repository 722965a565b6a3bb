"""DICOM Segmentation objects (highdicom), for volumes that were read from a DICOM series."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vlp3d_core import __version__
from vlp3d_core.errors import MedVLPError
from vlp3d_core.files import replacing
from vlp3d_core.volume.segmentation import Code, Segment, Segmentation
from vlp3d_core.volume.volume import Source

if TYPE_CHECKING:
    from highdicom.seg import SegmentDescription
    from pydicom import Dataset

MANUFACTURER = "MedVLP"
LPS_TO_RAS = np.array([-1.0, -1.0, 1.0])
REMEDY = "Write .seg.nrrd or .nii.gz instead."
LONG_STRING = 64
"""DICOM's limit of a label or code meaning (value representation LO)."""


def write_dicom_seg(segmentation: Segmentation, path: Path) -> None:
    """Write a binary DICOM SEG with one segment per structure that was found.

    It refers to the series that the volume was read from: every frame takes its place from the DICOM slice that it
    lies on, so gantry tilt and uneven spacing stay right. Sidedness is a modifier of the type code, the colour the
    recommended CIELab value, the score stands in the segment's description.

    Raises:
        MedVLPError: the source was not a DICOM series, is gone or has changed, nothing was found, highdicom is not
            installed, or the disk refuses.
    """
    check_dicom_source(segmentation.source, segmentation.labels.shape[2])
    present = np.bincount(segmentation.labels.ravel(order="K"), minlength=1)
    found = [s for s in segmentation.segments if s.value < present.size and present[s.value]]
    if not found:
        raise MedVLPError(
            "No structure was found, and a DICOM SEG cannot be empty.", "Write .nii.gz or .seg.nrrd to keep the scores."
        )
    slices = _read_slices(segmentation)
    # Segment numbers must run 1, 2, 3 …; label values need not.
    numbers = np.zeros(present.size, dtype=segmentation.labels.dtype)
    numbers[[s.value for s in found]] = range(1, len(found) + 1)
    frames = np.take(numbers, segmentation.labels.T)  # (K, J, I): frames, rows, columns
    dataset = _dataset(slices, frames, [_describe(n, s, segmentation.model) for n, s in enumerate(found, start=1)])
    with replacing(path) as temporary:
        dataset.save_as(temporary)


def check_dicom_source(source: Source, depth: int) -> None:
    """Whether a DICOM SEG can be written for a volume of this source with `depth` slices.

    Raises:
        MedVLPError: no, and why.
    """
    if not source.files:
        raise MedVLPError(
            "A DICOM SEG (.dcm) refers to the DICOM series it was made from, but the input is not a DICOM series.",
            "Write .seg.nrrd or .nii.gz instead, or give the DICOM folder as input.",
        )
    if len(source.files) != depth:
        raise MedVLPError(
            f"The DICOM series keeps {depth} slices in {len(source.files)} files (enhanced, multi-frame DICOM), for "
            "which DICOM SEG cannot be written.",
            REMEDY,
        )
    try:
        import highdicom  # noqa: F401
    except ImportError as error:
        raise MedVLPError(
            "Writing DICOM SEG needs the package highdicom.", 'Install it with: pip install "vlp3d-core[dicom]"'
        ) from error


def _read_slices(segmentation: Segmentation) -> list[Dataset]:
    """The headers of the source series, one for each index k.

    Raises:
        MedVLPError: a file is gone, or the files do not lie where the labels do.
    """
    import pydicom
    from pydicom.errors import InvalidDicomError

    try:
        slices: list[Dataset] = [pydicom.dcmread(f, stop_before_pixels=True) for f in segmentation.source.files]
    except (OSError, InvalidDicomError) as error:
        raise MedVLPError(
            f"A file of the DICOM series can no longer be read ({error}).",
            "Bring it back, or write .seg.nrrd or .nii.gz instead.",
        ) from error
    size = segmentation.labels.shape[:2]
    if any((s.Columns, s.Rows) != size for s in slices):
        raise MedVLPError("The labels do not have the size of the DICOM series.", REMEDY)
    for k, header in enumerate(slices):
        if not _lies_at(header, segmentation.affine, k):
            raise MedVLPError(f"The labels do not lie on the DICOM series (slice {k + 1}).", REMEDY)
    return slices


def _lies_at(header: Dataset, affine: NDArray[np.float64], k: int) -> bool:
    """Whether slice k of the labels lies on this DICOM slice, to half a voxel at its corners."""
    along_row, along_column = np.reshape(np.asarray(header.ImageOrientationPatient, dtype=float), (2, 3))
    row_step, column_step = (float(v) for v in header.PixelSpacing)
    here = np.asarray(header.ImagePositionPatient, dtype=float)
    i, j = header.Columns - 1, header.Rows - 1
    half = np.linalg.norm(affine[:3, :3], axis=0).max() / 2
    for a, b in ((0, 0), (i, 0), (0, j)):
        place = LPS_TO_RAS * (here + along_row * column_step * a + along_column * row_step * b)
        if np.linalg.norm(place - (affine @ [a, b, k, 1])[:3]) > half:
            return False
    return True


def _describe(number: int, segment: Segment, model: str) -> SegmentDescription:
    import highdicom as hd
    from pydicom.sr.codedict import codes

    description = hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=segment.name[:LONG_STRING],
        segmented_property_category=_code(segment.category),
        segmented_property_type=_code(segment.type),
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=hd.AlgorithmIdentificationSequence(
            name=f"MedVLP {model}".strip()[:LONG_STRING],
            version=__version__,
            family=codes.DCM.ArtificialIntelligence,
        ),
        tracking_uid=hd.UID(),
        tracking_id=segment.concept[:LONG_STRING],
        display_color=hd.color.CIELabColor.from_rgb(*segment.color),
    )
    if segment.modifier is not None:
        kind = description.SegmentedPropertyTypeCodeSequence[0]
        kind.SegmentedPropertyTypeModifierCodeSequence = [_code(segment.modifier)]
    description.SegmentDescription = f"Score {segment.score:.3f} (mean probability)"
    return description


def _code(code: Code) -> Any:
    from highdicom.sr import CodedConcept

    scheme, value, meaning = code
    return CodedConcept(value=value, scheme_designator=scheme, meaning=meaning[:LONG_STRING])


def _dataset(
    slices: Sequence[Dataset], frames: NDArray[np.unsignedinteger[Any]], descriptions: Sequence[SegmentDescription]
) -> Dataset:
    import highdicom as hd

    with warnings.catch_warnings():
        # highdicom remarks on unusual patient names and prints them: neither our business nor for a log.
        warnings.simplefilter("ignore", UserWarning)
        dataset = hd.seg.Segmentation(
            source_images=slices,
            pixel_array=frames,
            segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
            segment_descriptions=descriptions,
            series_instance_uid=hd.UID(),
            series_number=int(slices[0].get("SeriesNumber") or 0) + 1000,
            sop_instance_uid=hd.UID(),
            instance_number=1,
            manufacturer=MANUFACTURER,
            manufacturer_model_name=MANUFACTURER,
            software_versions=__version__,
            device_serial_number="0",
            content_label="SEGMENTATION",
            content_description="Automatic segmentation",
            series_description="MedVLP segmentation",
        )
    if not all(d.SegmentLabel.isascii() for d in descriptions):
        dataset.SpecificCharacterSet = "ISO_IR 192"
    return dataset
