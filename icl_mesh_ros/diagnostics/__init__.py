"""What the nodes say of themselves: health, streams, log."""
