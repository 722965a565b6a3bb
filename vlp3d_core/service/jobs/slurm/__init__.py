"""Jobs on a cluster with SLURM: the job's folder lies on a file system that the nodes share; SLURM keeps the queue.

As in `service.jobs`, importing needs the standard library only.
"""
