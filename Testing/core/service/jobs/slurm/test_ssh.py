"""A login host by ssh: a real sshd on the loopback address, reached with a configuration as a user has it."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from Testing.core.service.conftest import eventually
from Testing.core.service.jobs.conftest import MakeSpec
from Testing.core.service.jobs.slurm.cluster import SEARCH, Cluster, free_ports
from Testing.core.service.jobs.slurm.conftest import MakeProfile
from Testing.core.service.jobs.slurm.test_target import command_of, until
from vlp3d_core.errors import MedVLPError
from vlp3d_core.service.jobs.book import Jobs
from vlp3d_core.service.jobs.slurm.check import check
from vlp3d_core.service.jobs.slurm.profile import read_profile
from vlp3d_core.service.jobs.spec import JobSpec

SSHD = shutil.which("sshd", path=SEARCH)
SERVER = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
PidFile none
AuthorizedKeysFile {folder}/user.pub
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin yes
SetEnv SLURM_CONF={conf}
"""
CLIENT = """
Host anmeldung
  HostName 127.0.0.1
  Port {port}
  User {user}
  IdentityFile {folder}/user
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/known
  StrictHostKeyChecking accept-new
Host fremd
  HostName 127.0.0.1
  Port {port}
  User {user}
  IdentityFile {folder}/host
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/known
Host weg
  HostName 127.0.0.1
  Port 1
"""


@pytest.fixture
def login(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a login host in the user's configuration. Here SLURM itself is not known, there it is."""
    if SSHD is None or shutil.which("ssh") is None:
        pytest.skip("sshd is not installed; Debian: apt-get install openssh-server")
    folder = tmp_path / "ssh"
    folder.mkdir()
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    values = {"port": free_ports(1)[0], "folder": folder, "conf": cluster.conf, "user": getpass.getuser()}
    (folder / "sshd_config").write_text(SERVER.format(**values))
    (folder / "config").write_text(CLIENT.format(**values))
    programs = tmp_path / "bin"
    programs.mkdir()
    # ssh reads the configuration in the home folder of the system's list of users, which no variable moves.
    (programs / "ssh").write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F "{folder}/config" "$@"\n')
    (programs / "ssh").chmod(0o755)
    (programs / "sh").symlink_to("/bin/sh")
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # sshd wants it, and Debian makes it with its service
    with subprocess.Popen([SSHD, "-D", "-e", "-f", folder / "sshd_config"], stderr=subprocess.DEVNULL) as server:
        ready = [programs / "ssh", "anmeldung", "true"]
        try:
            assert eventually(lambda: subprocess.run(ready, capture_output=True, check=False).returncode == 0)
            monkeypatch.setenv("PATH", str(programs))
            monkeypatch.delenv("SLURM_CONF")
            yield "anmeldung"
        finally:
            server.terminate()


def test_submitted_watched_and_cancelled(login: str, jobs: Jobs, profile: MakeProfile, waiting: MakeSpec) -> None:
    id = jobs.submit(replace(waiting(), target=profile(host=login)))
    until(jobs, id, "running")
    assert jobs.show(id).note == ""
    command = command_of(jobs, id)
    jobs.cancel(id)
    until(jobs, id, "cancelled")
    assert not command.is_running()


def test_slurm_refuses_there(login: str, jobs: Jobs, profile: MakeProfile, failing: JobSpec) -> None:
    with pytest.raises(MedVLPError, match=r"sbatch failed on anmeldung: .*[Ii]nvalid partition"):
        jobs.submit(replace(failing, target=profile(host=login, partition="gibt es nicht; touch 'x'")))


@pytest.mark.parametrize("host", ["weg", "fremd", "gibt-es-nicht.invalid"])
def test_a_host_that_cannot_be_reached(
    login: str, jobs: Jobs, profile: MakeProfile, failing: JobSpec, host: str
) -> None:
    """Nobody is asked for a password, and nobody waits."""
    with pytest.raises(MedVLPError, match=f"{host} cannot be reached by ssh: .+ See that `ssh {host} true` works"):
        jobs.submit(replace(failing, target=profile(host=host)))
    assert jobs.list() == []


def test_everything_is_tested(login: str, jobs: Jobs, profile: MakeProfile) -> None:
    profile(host=login)
    found = check(read_profile("Rechner groß"), jobs.root, 300.0)
    assert [(one.name, one.problem) for one in found] == [
        (name, None) for name in ("commands", "folder", "options", "node", "python")
    ]
    assert "torch" in found[-1].text and "1 processes have answered" in found[-2].text
    assert list(jobs.root.iterdir()) == []


def test_no_python_there(login: str, jobs: Jobs, profile: MakeProfile) -> None:
    profile(host=login, python="/nirgends/python")
    last = check(read_profile("Rechner groß"), jobs.root, 300.0)[-1]
    assert last.name == "node" and "did not start on its node" in str(last.problem)
