"""What is missing before anything can run, and the one button that installs it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from MedVLPLib import Dependencies
from MedVLPLib.Guard import guard
from MedVLPLib.Texts import _


class DependencyBox:
    """Drives dependencyFrame; it is only there while something is missing.

    Args:
        ui: the panel's widgets.
        onInstalled: called after an installation.
        say: shows a sentence of a kind in the panel.
        training: what training needs, too.

    Attributes:
        missing: the requirements that are not there.
    """

    def __init__(
        self, ui: Any, onInstalled: Callable[[], None], say: Callable[[str, str], None], training: bool = False
    ) -> None:
        self.ui, self._onInstalled, self._training = ui, onInstalled, training
        self.missing: list[Any] = []
        ui.dependencyFrame.visible = False
        ui.installButton.connect("clicked(bool)", guard(self.install, say))

    def refresh(self) -> None:
        """Look again at what is there. Reads the list of installed packages; imports and installs nothing."""
        self.missing = list(Dependencies.missing(self._training))
        self.ui.dependencyFrame.visible = bool(self.missing)
        if self.missing:
            self.ui.dependencyLabel.text = Dependencies.summary(self._training)
            size = sum(requirement.sizeMb for requirement in self.missing)
            self.ui.installButton.text = _("Install what is missing (about {size} MB)").format(size=round(size))

    def install(self) -> None:
        """Install, after the user's click. Slicer's own dialogs show the progress."""
        try:
            Dependencies.install(training=self._training)
        finally:
            self.refresh()
        if not self.missing:
            self._onInstalled()
