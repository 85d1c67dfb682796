"""The charts of Insights tell their numbers when they are pointed at, and each stands over a table with the same."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from .conftest import Desk

CHARTS = ("nights", "silence", "histograms", "bands")


@pytest.mark.parametrize("kind", CHARTS)
def test_a_chart_tells_its_numbers_and_has_a_table(page: Page, desk: Desk, kind: str) -> None:
    page.goto(desk.address("/insights"))
    chart = page.locator(f"[data-chart={kind}]").first
    table = page.locator(f"#{chart.get_attribute('data-table')}")
    chart.locator("svg .bar").first.wait_for(state="attached")
    chart.locator("svg .bar").last.hover(force=True)
    expect(chart.locator(".timeline-tip")).to_be_visible()
    tip = chart.locator(".timeline-tip").inner_text()
    names = [text.strip() for text in table.locator("tbody th").all_text_contents()]
    assert any(tip.startswith(f"{name}: ") for name in names), (tip, names)
    page.mouse.move(1, 1)
    expect(chart.locator(".timeline-tip")).to_be_hidden()


def test_a_median_over_a_bar_does_not_hide_what_the_bar_tells(page: Page, desk: Desk) -> None:
    page.goto(desk.address("/insights"))
    chart = page.locator("[data-chart=histograms]").first
    chart.locator(".median").first.wait_for(state="attached")
    chart.scroll_into_view_if_needed()
    box = chart.locator(".median").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(chart.locator(".timeline-tip")).to_be_visible()


def test_the_bins_of_a_distribution_add_up_to_its_jobs(page: Page, desk: Desk) -> None:
    page.goto(desk.address("/insights"))
    rows = page.locator("#t-ran tbody tr")
    assert rows.count() >= 3
    for row in rows.all():
        bins = row.locator("[data-bins]").get_attribute("data-bins") or ""
        assert sum(int(each.split(":")[1]) for each in bins.split()) == int(
            row.locator("td").first.text_content() or ""
        )
