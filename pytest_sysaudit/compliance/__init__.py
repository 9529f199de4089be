"""What turns findings into a decision: waivers, attestations, gate, drift."""
