"""How good a checkpoint is: held-out figures, a baseline beside them, calibration, bias."""
