"""How good a checkpoint is: held-out figures, a baseline beside them, calibration, bias.

models, scoring: checkpoint -> logits · labelled, text_table: file -> rows with the model's labels · head_report,
tag_report: logits -> figures · swap: bias · sections, rendering, plots: figures -> console, Markdown, picture.
"""

from pipelines.evaluation.options import EvaluateOptions, add_evaluation_arguments, evaluation_options

__all__ = ["EvaluateOptions", "add_evaluation_arguments", "evaluation_options"]
