"""Fine-tuning: labelled text in, a calibrated two-head checkpoint with its model card out."""
