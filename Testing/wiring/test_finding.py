"""Type words, see regions, keep one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from PySide6.QtCore import Qt

Make = Callable[..., Any]


@pytest.fixture
def search(host: Any, widget: Any, add_head: Make, until: Make) -> Callable[[str], None]:
    """A function that types words and presses Enter, and waits for the answer."""
    add_head(host)

    def run(words: str) -> None:
        widget.ui.queryEdit.text = words
        host.pending()
        widget.ui.queryEdit.returnPressed.emit()
        until(host, lambda: not widget.panel.runBar.busy)

    return run


def _preview(host: Any) -> list[str]:
    nodes = [
        host.scene.GetNthNodeByClass(n, "vtkMRMLSegmentationNode")
        for n in range(host.scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode"))
    ]
    return [node.GetSegmentation().GetNthSegment(0).GetName() for node in nodes if not node.GetSaveWithScene()]


def test_enter_searches_and_shows_the_best_region(host: Any, widget: Any, search: Make) -> None:
    search("left parotid")
    tree = widget.ui.regionTree
    assert tree.topLevelItem(0).text(0) == "1. Left parotid gland"
    assert float(tree.topLevelItem(0).text(1)) > 0.9
    assert _preview(host) == ["Left parotid gland"]
    assert widget.ui.keepButton.enabled


def test_enter_while_nothing_can_be_searched_says_why(host: Any, widget: Any) -> None:
    widget.ui.queryEdit.text = "mandible"
    host.pending()
    widget.ui.queryEdit.returnPressed.emit()
    assert "Choose a volume first" in widget.ui.findMessageLabel.text
    assert not widget.panel.runBar.busy


def test_arrow_keys_show_the_regions_in_turn(host: Any, widget: Any, search: Make) -> None:
    search("parotid glands")
    assert widget.ui.regionTree.topLevelItemCount == 2
    first = widget.panel.find.current()
    down, up = widget.panel.find._shortcuts
    down.activated.emit()
    second = widget.panel.find.current()
    assert {first.concept, second.concept} == {"parotid_gland_left", "parotid_gland_right"}
    assert _preview(host) == [second.name]
    down.activated.emit()
    assert widget.panel.find.current() is second
    up.activated.emit()
    assert _preview(host) == [first.name]


def test_a_region_is_kept_as_a_segment(host: Any, widget: Any, search: Make) -> None:
    search("mandible")
    widget.ui.keepButton.click()
    host.pending()
    node = widget.panel.parameters.result
    assert [node.GetSegmentation().GetNthSegment(0).GetName()] == ["Mandible"]
    label = widget.ui.findMessageLabel
    assert "'Mandible' is a segment of" in label.text.replace("&#x27;", "'")
    assert label.textFormat == Qt.TextFormat.RichText, "else &#x27; would be read as it stands"
    assert _preview(host) == []


def test_words_that_are_not_understood_are_said(host: Any, widget: Any, search: Make) -> None:
    search("flux capacitor")
    assert widget.ui.regionTree.topLevelItemCount == 0
    assert widget.ui.findMessageLabel.text
    assert not widget.ui.keepButton.enabled
    assert widget.ui.keepButton.toolTip == "Choose a region first."


def test_a_misspelt_word_is_suggested_and_can_be_clicked(host: Any, widget: Any, search: Make, until: Make) -> None:
    from vlp3d_core.service.client import Found

    widget.panel.find.show(Found("mandibel", (), (), ("mandibel",), ("Mandible",)))
    assert 'href="Mandible"' in widget.ui.findMessageLabel.text
    widget.ui.findMessageLabel.linkActivated.emit("Mandible")
    host.pending()
    until(host, lambda: not widget.panel.runBar.busy)
    assert widget.ui.queryEdit.text == "Mandible"
    assert widget.panel.parameters.query == "Mandible"
    assert widget.ui.regionTree.topLevelItemCount == 1


def test_words_are_suggested_while_typing(host: Any, widget: Any, add_head: Make) -> None:
    add_head(host)
    completer = widget.ui.queryEdit.completer()
    completer.setCompletionPrefix("LEFT PARO")
    assert completer.currentCompletion() == "left parotid gland"


def test_an_empty_query_asks_for_words(host: Any, widget: Any, search: Make) -> None:
    search("  ")
    assert widget.ui.findMessageLabel.text.startswith("Type what to look for")


def test_leaving_the_module_takes_the_preview_away(host: Any, widget: Any, search: Make) -> None:
    search("mandible")
    host.leave()
    assert _preview(host) == []
    host.enter()
    assert widget.ui.regionTree.topLevelItemCount == 1


def test_a_preview_of_a_volume_that_is_gone_is_refused_with_a_sentence(host: Any, widget: Any, search: Make) -> None:
    search("parotid glands")
    host.scene.RemoveNode(widget.panel.parameters.inputVolume)
    host.pending()
    widget.panel.find._shortcuts[0].activated.emit()
    assert "was removed from the scene" in widget.ui.messageLabel.text
    assert [level for level, _text in host.messages] == ["error"]
