"""The process that reads workbooks: a hostile file can end only this process. It starts in a tenth of a second because
it imports nothing of the service, so its modules import each other relatively."""
