"""CoEmoGen: mapper, visual perception, HiLoRA, losses, training, export."""
