"""What is said of images: one metric, one function, one named protocol; n and an interval beside each."""
