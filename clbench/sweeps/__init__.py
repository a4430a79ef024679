"""Many runs from one file: what they share is made once, the cores are kept busy, and what was interrupted resumes."""

from __future__ import annotations
