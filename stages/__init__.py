"""The commands of the DAG, one file a stage, in running order:

miniature -> emoset -> features -> captions -> caption_features -> caption_filter -> truth_checks
foundation_clip -> foundation_diffusion, foundation_captioner -> captions
"""
