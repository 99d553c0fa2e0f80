"""What only the detection chain knows: weak boxes, training and measuring detectors."""
