"""Pages looked at in Chromium."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, sync_playwright


@contextmanager
def chromium() -> Iterator[Browser]:
    """A running browser; the test fails where none is installed."""
    path = shutil.which("chromium")
    if path is None:
        pytest.fail("pages are tested in Chromium, which is missing; install it: apt-get install chromium")
    with sync_playwright() as playwright:
        # Chromium's sandbox does not work for root, as whom containers run.
        running = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"] if os.geteuid() == 0 else [])
        yield running
        running.close()


def until(tab: Page, expression: str, seconds: float = 20) -> None:
    """Wait for a JavaScript expression to become true.

    Playwright's own ``wait_for_function`` evaluates it within the page from its second try on, where the page's content
    security policy forbids that: it fails whenever the first try comes too early.
    """
    end = time.monotonic() + seconds
    while not tab.evaluate(expression):
        if time.monotonic() > end:
            pytest.fail(f"{expression} has not become true within {seconds} s.")
        tab.wait_for_timeout(20)
