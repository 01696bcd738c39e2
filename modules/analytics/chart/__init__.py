"""The chart of the statistics, as SVG."""
