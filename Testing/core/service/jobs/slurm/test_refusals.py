"""What is wrong with a profile, a node or a computer: one sentence each, and no half a job."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from Testing.core.service.jobs.slurm.cluster import Cluster
from Testing.core.service.jobs.slurm.conftest import MakeProfile
from Testing.core.service.jobs.slurm.test_target import until
from vlp3d_core.cli.main import main
from vlp3d_core.errors import MedVLPError, UsageError
from vlp3d_core.service.jobs.book import Jobs
from vlp3d_core.service.jobs.slurm.profile import Profile, profile_names, read_profile
from vlp3d_core.service.jobs.spec import JobSpec


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"partition": "gibt es nicht"}, r"sbatch failed on this computer: .*[Ii]nvalid partition"),
        ({"account": "nobody"}, "Invalid account or account/partition combination specified"),
        ({"gpus": 5}, "Requested node configuration is not available"),
        ({"options": ["--quatsch"]}, "quatsch"),
    ],
)
def test_slurm_refuses(
    cluster: Cluster, jobs: Jobs, profile: MakeProfile, failing: JobSpec, more: dict, said: str
) -> None:
    spec = replace(failing, target=profile(**more), resources=replace(failing.resources, gpus=None))
    with pytest.raises(MedVLPError, match=said):
        jobs.submit(spec)
    assert jobs.list() == [] and cluster.run("squeue", "--noheader", "--states=PENDING,RUNNING") == ""


def test_a_set_up_that_fails(cluster: Cluster, jobs: Jobs, profile: MakeProfile, failing: JobSpec) -> None:
    id = jobs.submit(replace(failing, target=profile(setup=["true", "module load 'nicht da'", "echo never"])))
    error = until(jobs, id, "failed").error
    assert error is not None and error.remedy == "Correct the profile, and resume the job."
    assert "did not start on its node" in error.cause and "The set-up failed at: module load 'nicht da'" in error.cause


def test_a_python_that_is_not_there(cluster: Cluster, jobs: Jobs, profile: MakeProfile, failing: JobSpec) -> None:
    id = jobs.submit(replace(failing, target=profile(python="/nirgends/bin/python 3")))
    assert "did not start on its node" in str(until(jobs, id, "failed").error)


def test_a_container_is_put_before(cluster: Cluster, jobs: Jobs, profile: MakeProfile, failing: JobSpec) -> None:
    """Any command that runs the rest of its line can be one."""
    id = jobs.submit(replace(failing, target=profile(container="env 'VON=einem Behälter' MEDVLP_TEST=1")))
    assert "has no cases" in str(until(jobs, id, "failed").error)


def test_a_folder_that_the_node_does_not_see(
    cluster: Cluster, jobs: Jobs, profile: MakeProfile, failing: JobSpec
) -> None:
    """Renamed while the job waits, as it would look to a node that has another file system at this place."""
    id = jobs.submit(replace(failing, target=profile(options=["--hold"])))
    number = str(jobs.find(id).state().target["job"])
    away = jobs.root.with_name("weg")
    jobs.root.rename(away)
    cluster.run("scontrol", "release", number)
    while cluster.run("squeue", "--noheader", "--states=PENDING,RUNNING,COMPLETING", f"--jobs={number}"):
        pass
    shutil.rmtree(jobs.root, ignore_errors=True)  # SLURM may have made a folder for its log
    away.rename(jobs.root)
    assert "the node may not see" in str(until(jobs, id, "failed").error)


def test_jobs_of_a_profile_may_lie_elsewhere(
    cluster: Cluster, jobs: Jobs, profile: MakeProfile, failing: JobSpec, tmp_path: Path
) -> None:
    shared = tmp_path / "Für alle Rechner"
    id = jobs.submit(replace(failing, target=profile(folder=str(shared))))
    assert (jobs.root / id).is_symlink() and (shared / id).is_dir()
    until(jobs, id, "failed")
    assert [view.id for view in jobs.list()] == [id]
    jobs.remove(id)
    assert list(shared.iterdir()) == [] and jobs.list() == []


def test_a_computer_without_slurm(
    jobs: Jobs, profile: MakeProfile, failing: JobSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "sh").symlink_to("/bin/sh")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(MedVLPError, match="sbatch is not there on this computer"):
        jobs.submit(replace(failing, target=profile()))
    assert jobs.list() == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not JSON"),
        ('{"partition": ""}', "partition: "),
        ('{"host": "-oProxyCommand=touch /tmp/x", "python": "p"}', "host: "),
        ('{"host": "cluster"}', "names a host and no python"),
        ('{"time": "morgen"}', "time: "),
        ('{"folder": "here"}', "folder: "),
        ('{"partitions": "x"}', "partitions"),
        ("[]", "cannot be used"),
    ],
)
def test_a_profile_that_is_none(profile: MakeProfile, text: str, said: str) -> None:
    Path(os.environ["MEDVLP_SLURM"], "x.json").write_text(text)
    with pytest.raises(MedVLPError, match=said):
        read_profile("x")
    assert profile_names() == ["x"]


def test_profiles_that_are_not_there(profile: MakeProfile) -> None:
    profile("Groß")
    for name in ("x", "../Groß", ".", ""):
        with pytest.raises(UsageError, match="there are: Groß"):
            read_profile(name)


@pytest.mark.parametrize(
    ("time", "seconds"),
    [
        ("", None),
        ("30", 1800),
        ("5:30", 330),
        ("1:00:00", 3600),
        ("2-0", 172800),
        ("1-2:30", 95400),
        ("1-0:0:7", 86407),
    ],
)
def test_times_as_sbatch_reads_them(time: str, seconds: int | None) -> None:
    assert Profile("x", time=time).seconds == seconds


def test_targets_on_the_command_line(profile: MakeProfile, capsys: pytest.CaptureFixture[str], jobs: Jobs) -> None:
    profile("Groß", gpus=2, host="nirgends.invalid")
    Path(os.environ["MEDVLP_SLURM"], "kaputt.json").write_text("{")
    assert main(["jobs", "targets", "--json"]) == 0
    local, large, broken = json.loads(capsys.readouterr().out)["targets"]
    assert local["target"] == "local" and large["gpus"] == 2 and large["host"] == "nirgends.invalid"
    assert broken["target"] == "slurm:kaputt" and "is not JSON" in broken["problem"]
    assert main(["jobs", "targets"]) == 0
    assert "nirgends.invalid" in (said := capsys.readouterr()).out and "is not JSON" in said.err
    assert main(["jobs", "test", "slurm:Groß", "--json"]) == 1
    (check,) = json.loads(capsys.readouterr().out)["checks"]
    assert (check["name"], check["ok"]) == ("commands", False) and "nirgends.invalid" in check["text"]
    for target, code in (("slurm:keins", 2), ("mond", 2), ("local", 1)):
        assert main(["jobs", "test", target]) == code
        assert capsys.readouterr().err.count("\n") == 1
