"""Define the commands of the DAG, one file per stage.

The running order is:

    miniature -> emoset -> features -> captions -> caption_features -> caption_filter -> truth_checks
    foundation_clip -> foundation_vit, foundation_diffusion, foundation_captioner -> captions
"""
