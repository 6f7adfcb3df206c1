"""Metrics: CLEAR (MOTA), identity (IDF1), HOTA, multi-camera forms of them, and retrieval (CMC, mAP)."""
