"""Figures of a study: small, deterministic, theme-aware inline SVG, each with the numbers behind it."""

from __future__ import annotations

from ttstudy.report.figures.style import Figure

__all__ = ["Figure"]
