"""Does everything that the module needs lie where it was installed, and does Slicer stay light?

ctest runs this in Slicer; Testing/extension runs it on slicer-core, in a tree that was installed without Slicer.
"""

import sys
import unittest
from pathlib import Path

import slicer


class MedVLPSegmentInstalledTest(unittest.TestCase):
    def test_engineLiesBesideTheModule(self):
        import MedVLPSegmentLib
        import vlp3d_core

        assert Path(vlp3d_core.__file__).parents[1] == Path(MedVLPSegmentLib.__file__).parents[1]

    def test_conceptsAreThere(self):
        from vlp3d_core.text.concepts import concepts

        assert concepts()["mandible"].name == "Mandible"

    def test_everyBundleHasCardAndWeights(self):
        import json

        import vlp3d_core

        cards = sorted((Path(vlp3d_core.__file__).parent / "bundles").glob("*/bundle.json"))
        assert cards, "no embedded model was installed"
        for path in cards:
            card = json.loads(path.read_text(encoding="utf-8"))
            weights = path.parent / card["weights"]["file"]
            assert weights.stat().st_size == card["weights"]["bytes"], str(weights)

    def test_requirementsAreFound(self):
        from MedVLPLib import Dependencies

        assert "monai" in " ".join(Dependencies.requirements())
        assert all(item.why for item in Dependencies.missing())

    def test_sampleIsMadeHere(self):
        from MedVLPSegmentLib import Samples

        assert all(sample.thumbnail.is_file() for sample in Samples.SAMPLES)
        scene = getattr(slicer, "mrmlScene", None) or slicer.vtkMRMLScene()
        node = Samples.addPhantom(Samples.TRUNK, scene)
        assert slicer.util.arrayFromVolume(node).max() > 300  # HU of bone
        scene.RemoveNode(node)

    def test_workerClientLoadsNoTorch(self):
        before = "torch" in sys.modules
        from vlp3d_core.service.client import Worker

        worker = Worker()
        assert not worker.running, "nothing may start before the first request"
        worker.close()
        assert ("torch" in sys.modules) == before


if __name__ == "__main__":
    unittest.main()
