"""The routes of imports and exports."""

from core.routing import ProtectedRouter
from modules.transfers.exports.router import router as exports_router
from modules.transfers.imports.router import router as imports_router
from modules.transfers.plans.router import router as plans_router

router = ProtectedRouter()
router.include_router(imports_router)
router.include_router(plans_router)
router.include_router(exports_router)
