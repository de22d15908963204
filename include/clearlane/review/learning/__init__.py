"""What the review learns with: bins of columns, whole points, proposals."""
