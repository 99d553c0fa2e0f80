"""Running detectors: what detection and identification need of them."""
