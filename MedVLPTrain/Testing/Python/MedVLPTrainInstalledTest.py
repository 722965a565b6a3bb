"""Does everything that the module needs lie where it was installed, and does Slicer stay light?

ctest runs this in Slicer; Testing/extension runs it on slicer-core, in a tree that was installed without Slicer.
"""

import sys
import unittest
from pathlib import Path


class MedVLPTrainInstalledTest(unittest.TestCase):
    def test_sharedPartsLieBesideTheModule(self):
        import MedVLPLib
        import MedVLPTrainLib
        import vlp3d_core

        home = Path(MedVLPTrainLib.__file__).parents[1]
        assert Path(MedVLPLib.__file__).parents[1] == Path(vlp3d_core.__file__).parents[1] == home

    def test_requirementsAreFound(self):
        from MedVLPLib import Dependencies

        assert "lightning" in " ".join(Dependencies.requirements(training=True))
        assert all(item.why for item in Dependencies.missing(training=True))

    def test_recipesAreThere(self):
        import vlp3d_core

        recipes = Path(vlp3d_core.__file__).parent / "train" / "recipes"
        assert (recipes / "segment-small.yaml").is_file()
        assert (recipes / "gtgm-paper.yaml").is_file()

    def test_logicLoadsNoTorch(self):
        before = "torch" in sys.modules
        from MedVLPTrainLib.Settings import recipeSays
        from MedVLPTrainLib.TrainLogic import TrainLogic

        assert TrainLogic().targets()[0][1] == "local"
        assert recipeSays("finetune", "small")["steps"] == "600"
        assert ("torch" in sys.modules) == before


if __name__ == "__main__":
    unittest.main()
