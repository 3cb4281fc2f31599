"""What a run costs before it begins: images, bytes, FLOPs and hours of each stage, and where each figure is from."""
