"""Object detection with RT-DETRv2 and D-FINE."""
