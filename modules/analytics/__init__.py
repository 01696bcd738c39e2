"""Analytics of marks: statistics, rankings and report cards."""

from core.module import Module
from modules.analytics.error_codes import ERROR_CODES
from modules.analytics.router import router
from modules.analytics.settings import AnalyticsSettings

__all__ = ["module"]

module = Module(
    name="analytics",
    description="Statistics, rankings and report cards, computed exactly from the current records.",
    position=40,
    router=router,
    settings=AnalyticsSettings,
    error_codes=ERROR_CODES,
)
