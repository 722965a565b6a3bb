"""Draw the pictures of docs/slicer.md and the samples' thumbnails: `.venv/bin/python docs/pictures/render_scene.py`.

The sample phantom goes through the module's own code: sample → worker → segments in a scene. What is drawn are Slicer's
slice and 3D views (slicer-core), not the window of the application. Linux; needs libegl1 and libgl1-mesa-dri.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import slicer
import views
import vtk
from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs" / "images"
EDGE = 400
"""Pixels of a slice view."""
PAPER, INK = (13, 17, 23), (230, 237, 243)
SUBJECT = "a procedural phantom, not a patient, segmented by ct-head-neck"


def main() -> None:
    sys.path[:0] = [str(ROOT / "MedVLPSegment"), str(ROOT / "Testing" / "slicer")]
    import host

    from MedVLPSegmentLib.Samples import HEAD_NECK, SAMPLES, addPhantom

    with tempfile.TemporaryDirectory() as folder:
        scene = host.make_scene(Path(folder))
        application = slicer.modules.kept[0]
        colors = slicer.vtkMRMLColorLogic()  # the grey of volumes is a node of the scene
        colors.SetMRMLScene(scene)
        phantoms = {sample: addPhantom(sample, scene) for sample in SAMPLES}
        for sample, node in phantoms.items():
            thumbnail(application, node).save(sample.thumbnail, optimize=True)
        head = phantoms[HEAD_NECK]
        segmentation = segment(head)
        save(slices(application, head, segmentation), "slicer-slices.png")
        addSkin(head)
        picture = views.threeDView(application, scene, (-0.75, 1.0, 0.25), 1.9, (720, 520))
        save(captioned(Image.fromarray(picture), f"3D view: {SUBJECT}."), "slicer-3d.png")


def segment(volumeNode: Any) -> Any:
    """The segmentation node of a volume, made as the panel makes it: the model runs in a worker process."""
    from MedVLPLib.Volumes import volumeFromNode
    from MedVLPSegmentLib.Segments import addSegmentation
    from vlp3d_core.service.client import Worker

    worker = Worker()
    try:
        result = worker.wait(worker.segment(volumeFromNode(volumeNode)))
    finally:
        worker.close()
    return addSegmentation(result, volumeNode).node


def slices(application: Any, volume: Any, segmentation: Any) -> Image.Image:
    """Axial, coronal and sagittal view through the structures, side by side."""
    r, a, s = np.mean([segmentation.GetSegmentCenterRAS(f"parotid_gland_{side}") for side in ("left", "right")], axis=0)
    centres = {"Axial": (r, a + 20, s - 8), "Coronal": (r, a, s - 20), "Sagittal": (r, a, s - 30)}
    gap = 8
    sheet = Image.new("RGB", (3 * EDGE + 2 * gap, EDGE), PAPER)
    for column, (orientation, centre) in enumerate(centres.items()):
        picture = views.sliceView(application, volume, orientation, centre, 270, EDGE)
        sheet.paste(Image.fromarray(picture), (column * (EDGE + gap), 0))
    return captioned(sheet, f"Slice views (axial, coronal, sagittal): {SUBJECT}.")


def thumbnail(application: Any, volume: Any) -> Image.Image:
    """A coronal slice, in the size that Sample Data asks for."""
    box = [0.0] * 6
    volume.GetRASBounds(box)
    centre = tuple((box[n] + box[n + 1]) / 2 for n in (0, 2, 4))
    width = 1.05 * (box[5] - box[4])
    return Image.fromarray(views.sliceView(application, volume, "Coronal", centre, width, 256)).convert("L")


def addSkin(volume: Any) -> None:
    """A transparent surface at −300 HU around the segments, for the eye."""
    surface = vtk.vtkFlyingEdges3D()
    surface.SetInputData(volume.GetImageData())
    surface.SetValue(0, -300)
    surface.ComputeScalarsOff()
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    transform = vtk.vtkTransform()
    transform.SetMatrix(matrix)
    moved = vtk.vtkTransformPolyDataFilter()
    moved.SetInputConnection(surface.GetOutputPort())
    moved.SetTransform(transform)
    smooth = vtk.vtkWindowedSincPolyDataFilter()
    smooth.SetInputConnection(moved.GetOutputPort())
    smooth.SetNumberOfIterations(40)
    smooth.SetPassBand(0.02)
    biggest = vtk.vtkPolyDataConnectivityFilter()
    biggest.SetInputConnection(smooth.GetOutputPort())
    biggest.SetExtractionModeToLargestRegion()
    shaded = vtk.vtkPolyDataNormals()
    shaded.SetInputConnection(biggest.GetOutputPort())
    shaded.Update()
    node = volume.GetScene().AddNewNodeByClass("vtkMRMLModelNode", "Skin")
    node.SetAndObservePolyData(shaded.GetOutput())
    node.CreateDefaultDisplayNodes()
    node.GetDisplayNode().SetColor(0.93, 0.78, 0.68)
    node.GetDisplayNode().SetOpacity(0.22)


def captioned(picture: Image.Image, text: str) -> Image.Image:
    """The picture above a line that says what it is."""
    sheet = Image.new("RGB", (picture.width, picture.height + 34), PAPER)
    sheet.paste(picture, (0, 0))
    line = f"{text} Drawn with Slicer's view classes."
    ImageDraw.Draw(sheet).text((10, picture.height + 9), line, fill=INK, font=ImageFont.load_default(14))
    return sheet


def save(picture: Image.Image, name: str) -> None:
    picture.save(IMAGES / name, optimize=True)
    print(f"docs/images/{name}: {picture.width} × {picture.height}, {(IMAGES / name).stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
