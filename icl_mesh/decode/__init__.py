"""From the network's maps to people: peaks, evidence, lifter, placement, confidence."""
