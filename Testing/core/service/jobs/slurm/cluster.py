"""A real SLURM of one node on the loopback address, in a folder of its own, without touching the computer's."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import time
from pathlib import Path

PROGRAMS = ("munged", "mungekey", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel", "sinfo")
SEARCH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
CONF = """
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
ReturnToService=2
KillWait=20
SlurmdTimeout=300
SlurmdParameters=config_overrides
MpiDefault=none
SchedulerParameters=sched_interval=1,batch_sched_delay=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
GresTypes=gpu
{plugins}
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 Gres=gpu:2 State=UNKNOWN
PartitionName=work Nodes={host} Default=YES State=UP PriorityTier=1
PartitionName=urgent Nodes={host} State=UP PriorityTier=10
PartitionName=closed Nodes={host} State=DOWN
"""
ACCOUNTS = """
-- Accounts need a database, which there is not: this refuses one as the database would.
function slurm_job_submit(job, partitions, user)
  if job.account == "nobody" then return 2045 end
  return slurm.SUCCESS
end
function slurm_job_modify(job, record, partitions, user) return slurm.SUCCESS end
"""


class Cluster:
    """Started by `start`; `stop` ends everything, also what is left of jobs.

    Attributes:
        conf: to be named in SLURM_CONF.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.conf = folder, folder / "slurm.conf"
        self.host = socket.gethostname().partition(".")[0]
        for name in ("state", "spool"):
            (folder / name).mkdir()
        values = {"host": self.host, "ports": free_ports(2), "folder": folder, "plugins": "JobSubmitPlugins=lua"}
        values["user"] = pwd.getpwuid(os.getuid()).pw_name
        self.conf.write_text(CONF.format(**values))
        (folder / "job_submit.lua").write_text(ACCOUNTS)
        # SLURM only counts them.
        (folder / "gres.conf").write_text("Name=gpu File=/dev/null\nName=gpu File=/dev/zero\n")

    def start(self) -> None:
        """Raises AssertionError, with what was said, where the node does not come up."""
        folder = self.folder
        self.run("mungekey", "-c", "-k", f"{folder}/munge.key")
        names = {"socket": "sock", "pid-file": "pid", "log-file": "log", "seed-file": "seed", "key-file": "key"}
        self.run("munged", "--force", *(f"--{option}={folder}/munge.{name}" for option, name in names.items()))
        self.run("slurmctld")
        self.run("slurmd")
        until = time.monotonic() + 60
        while "idle" not in (said := self.run("sinfo", "--noheader", "--partition=work", "--format=%t")):
            assert time.monotonic() < until, said + (folder / "slurmd.log").read_text()
            time.sleep(0.1)

    def run(self, program: str, *words: str) -> str:
        """What a command says; it must end well."""
        path = shutil.which(program, path=SEARCH)
        assert path is not None, program
        done = subprocess.run(
            [path, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={**os.environ, "SLURM_CONF": str(self.conf)},
        )
        assert done.returncode == 0, f"{program} {words}: {done.stderr}"
        return done.stdout

    def restart_node(self) -> None:
        """As when the daemon of a node is updated; its jobs stay."""
        self._end("slurmd")
        self.run("slurmd")

    def start_again(self, number: str, *more: str) -> None:
        """Start a job that was queued again, without the two minutes that SLURM lets pass.

        A node refuses to start a job in the same second in which it was taken from it.
        """
        self.run("scontrol", "update", f"JobId={number}", "StartTime=now+2", *more)

    def stop(self) -> None:
        try:
            self.run("scancel", "--me", "--signal=KILL", "--full")
            self.run("scancel", "--me")
            until = time.monotonic() + 30
            while self.run("squeue", "--noheader") and time.monotonic() < until:
                time.sleep(0.1)
        finally:
            for name in ("slurmd", "slurmctld", "munge"):
                self._end(name)

    def _end(self, name: str) -> None:
        import psutil

        try:
            process = psutil.Process(int((self.folder / f"{name}.pid").read_text()))
            process.terminate()
            process.wait(30)
        except (OSError, ValueError, psutil.NoSuchProcess):
            return
        except psutil.TimeoutExpired:
            process.kill()


def missing_programs() -> list[str]:
    return [name for name in PROGRAMS if shutil.which(name, path=SEARCH) is None]


def free_ports(number: int) -> list[int]:
    """Of the loopback address, at this moment."""
    sockets = [socket.socket() for _ in range(number)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
