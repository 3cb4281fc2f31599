"""CoEmoGen: mapper, visual-perception encoder, HiLoRA, losses, training and export."""
