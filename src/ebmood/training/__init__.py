"""Training: the loop, batches, hooks, progress reports, checkpoints and rollbacks."""

from ebmood.training.batches import Batches
from ebmood.training.best_state import BestState
from ebmood.training.checkpoint import Checkpoints
from ebmood.training.data_parallel import rank_seed
from ebmood.training.deadline import TrainingStoppedError, stop_trainings_at
from ebmood.training.loggers import MetricsFile, Progress, Report, TensorBoard, check_tensorboard
from ebmood.training.rollback import DivergedError, Rollback
from ebmood.training.run import Hook
from ebmood.training.schedule import Training, rate_factor
from ebmood.training.trainer import Trained, make_fabric, train

__all__ = [
    "Batches",
    "BestState",
    "Checkpoints",
    "DivergedError",
    "Hook",
    "MetricsFile",
    "Progress",
    "Report",
    "Rollback",
    "TensorBoard",
    "Trained",
    "Training",
    "TrainingStoppedError",
    "check_tensorboard",
    "make_fabric",
    "rank_seed",
    "rate_factor",
    "stop_trainings_at",
    "train",
]
