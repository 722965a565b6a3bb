"""What SLURM's word for a job means, where the job's own folder cannot know it."""

from __future__ import annotations

from vlp3d_core.errors import MedVLPError
from vlp3d_core.service.jobs.outcome import Outcome
from vlp3d_core.service.jobs.slurm.queue import GONE, Row

WAITING = {
    "PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD",
}  # fmt: skip
ALIVE = {"RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING"}
RESUME = "Resume the job: it goes on from its last checkpoint."
ENDS = {
    "TIMEOUT": ("failed", "SLURM ended the job because its time was over.", 'Raise "time" in the profile, and resume.'),
    "DEADLINE": ("failed", "SLURM ended the job because its deadline had passed.", RESUME),
    "OUT_OF_MEMORY": (
        "failed",
        "SLURM ended the job because it used more memory than it had asked for.",
        'Raise "memory_gb" in the profile, or use a smaller batch or patch, and resume.',
    ),
    "NODE_FAIL": ("lost", "The job's node failed.", RESUME),
    "BOOT_FAIL": ("lost", "The job's node did not start.", RESUME),
    "PREEMPTED": ("lost", "The job gave way to another one, and SLURM did not queue it again.", RESUME),
    "REVOKED": ("lost", "Another cluster has taken the job over.", RESUME),
    GONE: ("lost", "SLURM does not know the job any more, and its folder does not say how it ended.", RESUME),
}  # fmt: skip
REASONS = {
    "Resources": "the nodes are busy",
    "Priority": "other jobs come first",
    "BeginTime": "SLURM lets some time pass first",
    "PartitionTimeLimit": "it asks for more time than the partition allows",
    "PartitionNodeLimit": "it asks for more nodes than the partition allows",
    "PartitionDown": "the partition is closed",
    "JobHeldUser": "it is held; `scontrol release` lets it go",
    "JobHeldAdmin": "an administrator holds it",
    "None": "SLURM has not looked at it yet",
}
NOT_SEEN = "The job ended before it had written to its folder: the node may not see {folder}."
UNSEEN_REMEDY = 'Name a "folder" on the shared file system in the profile; `vlp3d jobs test` tries it.'


def waits(row: Row) -> str:
    """Why a job waits, for people."""
    return f"It waits in SLURM's queue: {REASONS.get(row.reason, row.reason) or 'SLURM does not say why'}."


def end_of(row: Row, begun: bool, asked: bool, words: str, folder: str) -> Outcome:
    """How a job ended that SLURM does not run any more, although its folder says otherwise.

    Args:
        begun: whether its command was running.
        asked: whether it was to be cancelled.
        words: the last ones of its log; "" where the node has written none.
        folder: of the job.
    """
    if asked:
        return Outcome("cancelled", "It did not stop in time and was ended." if begun else "It had not begun.")
    if row.state == "CANCELLED":
        return Outcome("cancelled", "It was cancelled by SLURM's own commands.")
    if row.state in ENDS:
        state, cause, remedy = ENDS[row.state]
        return Outcome(state, error=MedVLPError(cause, remedy))
    if begun:
        return Outcome("lost", error=MedVLPError("The job's processes were ended from outside.", RESUME))
    if not words:
        return Outcome("failed", error=MedVLPError(NOT_SEEN.format(folder=folder), UNSEEN_REMEDY))
    cause = f"The job did not start on its node. Its last words: {words[:300].rstrip('.')}."
    return Outcome("failed", error=MedVLPError(cause, "Correct the profile, and resume the job."))
