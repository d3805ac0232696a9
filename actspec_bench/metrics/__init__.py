"""Attribution -> scores: recovery of the truth, faithfulness under ablation, cost."""

__all__ = ["lifts", "outcome"]
