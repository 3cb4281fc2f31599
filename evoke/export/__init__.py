"""Write a trained emotion as files that other tools load: a LoRA, an embedding, a workflow, a model card."""
