"""Choose a segment, see what looks like it, keep one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Make = Callable[..., Any]


def test_what_looks_like_a_result_is_found_shown_and_kept(host: Any, segmented: Any, until: Make) -> None:
    ui, panel, selector = segmented.ui, segmented.panel, segmented.panel.find.selector
    node = panel.parameters.result
    assert selector.currentNode() is node
    selector.setCurrentSegmentID("mandible")
    ui.likeButton.click()
    assert panel.runBar.busy
    until(host, lambda: not panel.runBar.busy)
    assert ui.regionTree.topLevelItem(0).text(0) == "1. Like Mandible"
    assert panel.find.current().volume_ml > 0 and selector.currentNode() is node, "previews are no examples"
    before = node.GetSegmentation().GetNumberOfSegments()
    ui.keepButton.click()
    host.pending()
    assert panel.parameters.result is node and node.GetSegmentation().GetNumberOfSegments() == before + 1
    assert node.GetSegmentation().GetNthSegment(before).GetName() == "Like Mandible"
    assert host.messages == []


def test_without_a_segment_a_sentence_says_so(host: Any, widget: Any, add_head: Make) -> None:
    add_head(host)
    assert widget.ui.likeButton.enabled
    widget.ui.likeButton.click()
    host.pending()
    assert widget.ui.messageLabel.text == "No segment is chosen as the example. Choose one, or draw one first."
    assert [level for level, _text in host.messages] == ["error"]
    assert not widget.panel.runBar.busy
