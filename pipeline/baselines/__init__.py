"""What CoEmoGen is compared with in Table 1, on the same foundation model, corpus, loop and sampler."""
