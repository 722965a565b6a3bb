"""The buttons below the results: a table of volumes, and files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer

from MedVLPLib.Guard import guard
from MedVLPLib.Texts import _

SURFACES = {".stl": "STL", ".obj": "OBJ"}


class Saving:
    """Drives tableButton and exportButton.

    Args:
        ui: the panel's widgets.
        current: gives the segmentation node that is listed, None for none.
        say: shows a sentence of a kind ("plain", "good", "error") in the panel.
    """

    def __init__(self, ui: Any, current: Callable[[], Any], say: Callable[[str, str], None]) -> None:
        self.ui, self._current, self._say = ui, current, say
        ui.tableButton.connect("clicked(bool)", guard(self.makeTable, say))
        ui.exportButton.connect("clicked(bool)", guard(self.export, say))

    def makeTable(self) -> None:
        """Put names, volumes and scores into a table node, and show it where there are views."""
        from MedVLPSegmentLib.Table import volumeTable

        table = volumeTable(self._current())
        manager = slicer.app.layoutManager()
        if manager is not None:
            application = slicer.app.applicationLogic()
            application.GetSelectionNode().SetActiveTableID(table.GetID())
            # The layout first: without a table view there is nothing yet that the selection could reach.
            manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpTableView)
            application.PropagateTableSelection()
        self._say(_("The table '{name}' was made.").format(name=table.GetName()), "good")

    def export(self) -> None:
        """Ask for a file and write the listed segmentation."""
        node = self._current()
        path = self.askPath(node.GetName())
        if path:
            notes = self.write(node, Path(path))
            self._say(" ".join([_("Saved as {path}.").format(path=path), *notes]), "good")

    def write(self, node: Any, path: Path) -> list[str]:
        """Write a segmentation; the ending of the name says how. Surfaces go into a folder of that name."""
        from MedVLPSegmentLib.Export import exportSegmentation, exportSurfaces

        if path.suffix.lower() in SURFACES:
            exportSurfaces(node, path.with_suffix(""), SURFACES[path.suffix.lower()])
            return []
        database = getattr(slicer, "dicomDatabase", None)
        return list(exportSegmentation(node, path, database.fileForInstance if database else None) or ())

    def askPath(self, name: str) -> str:
        """The file that the user names; "" when cancelled."""
        kinds = [
            _("Segmentation (*.seg.nrrd)"),
            _("NIfTI label map (*.nii.gz)"),
            _("DICOM segmentation (*.dcm)"),
            _("Surfaces as STL (*.stl)"),
            _("Surfaces as OBJ (*.obj)"),
        ]
        start = f"{name}.seg.nrrd"
        return str(qt.QFileDialog.getSaveFileName(self.ui.exportButton, _("Export"), start, ";;".join(kinds)) or "")
