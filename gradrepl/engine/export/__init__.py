"""What files are written from: graphs, passes, ops and times, as plain rows."""
