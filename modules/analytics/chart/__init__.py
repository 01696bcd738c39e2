"""The statistics chart, as SVG."""
