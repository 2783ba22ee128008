"""The shipped models: one folder each, safetensors and a model card, loaded offline."""
