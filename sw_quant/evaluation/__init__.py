# SPDX-License-Identifier: Apache-2.0
"""Scoring images: a classifier, the Fréchet distance on its features, and both together."""
