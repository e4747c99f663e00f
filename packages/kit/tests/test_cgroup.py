"""Reading control groups of both generations."""

from pathlib import Path

import pytest

from eyebright_kit.cgroup import Cgroup


@pytest.fixture
def cgroup(tmp_path: Path) -> Cgroup:
    return Cgroup(tmp_path / "mount", tmp_path / "membership", tmp_path / "vmstat")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_nothing_to_read_is_nothing_known(cgroup: Cgroup) -> None:
    assert (cgroup.cpu_limit(), cgroup.memory_left(), cgroup.oom_kills()) == (None, None, None)


def test_the_tightest_cpu_limit_on_the_way_to_the_root_counts(cgroup: Cgroup) -> None:
    _write(cgroup.membership, "0::/system.slice/eyebright.service\n")
    _write(cgroup.mount / "system.slice/eyebright.service/cpu.max", "max 100000\n")
    assert cgroup.cpu_limit() is None
    _write(cgroup.mount / "system.slice/cpu.max", "150000 100000\n")
    _write(cgroup.mount / "cpu.max", "400000 100000\n")
    assert cgroup.cpu_limit() == 1.5


def test_the_first_generation_is_read_too(cgroup: Cgroup) -> None:
    _write(cgroup.membership, "4:memory:/docker/abc\n1:cpu,cpuacct:/docker/abc\n0::/\n")
    _write(cgroup.mount / "cpu/docker/abc/cpu.cfs_quota_us", "-1\n")
    _write(cgroup.mount / "cpu/docker/abc/cpu.cfs_period_us", "100000\n")
    _write(cgroup.mount / "memory/docker/abc/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n")
    assert (cgroup.cpu_limit(), cgroup.oom_kills()) == (None, 4)
    _write(cgroup.mount / "cpu/docker/abc/cpu.cfs_quota_us", "300000\n")
    assert cgroup.cpu_limit() == 3


def test_a_container_that_sees_its_group_as_the_root_is_understood(cgroup: Cgroup) -> None:
    _write(cgroup.membership, "1:cpu:/docker/abc\n")
    _write(cgroup.mount / "cpu/cpu.cfs_quota_us", "200000\n")
    _write(cgroup.mount / "cpu/cpu.cfs_period_us", "100000\n")
    assert cgroup.cpu_limit() == 2


def test_kills_of_our_own_group_go_before_those_of_the_machine(cgroup: Cgroup) -> None:
    _write(cgroup.vmstat, "nr_free_pages 12\noom_kill 7\n")
    assert cgroup.oom_kills() == 7
    _write(cgroup.membership, "0::/job\n")
    _write(cgroup.mount / "job/memory.events", "low 0\nhigh 0\nmax 3\noom 1\noom_kill 2\noom_group_kill 0\n")
    assert cgroup.oom_kills() == 2


def test_files_that_were_read_leave_their_memory_to_whoever_needs_it(cgroup: Cgroup) -> None:
    _write(cgroup.membership, "0::/\n")
    _write(cgroup.mount / "memory.max", "1000\n")
    _write(cgroup.mount / "memory.current", "900\n")
    assert cgroup.memory_left() == 100
    _write(cgroup.mount / "memory.stat", "anon 200\nfile 700\nactive_file 50\ninactive_file 650\n")
    assert cgroup.memory_left() == 750


def test_the_tightest_memory_limit_on_the_way_to_the_root_counts(cgroup: Cgroup) -> None:
    _write(cgroup.membership, "0::/user.slice/job\n")
    for folder, limit in (("user.slice/job", "max"), ("user.slice", "500"), ("", "4000")):
        _write(cgroup.mount / folder / "memory.max", f"{limit}\n")
        _write(cgroup.mount / folder / "memory.current", "300\n")
    assert cgroup.memory_left() == 200
    _write(cgroup.mount / "user.slice/memory.max", "max\n")
    assert cgroup.memory_left() == 3700


def test_the_first_generation_limits_memory_too(cgroup: Cgroup) -> None:
    _write(cgroup.membership, "4:memory:/docker/abc\n0::/\n")
    group = cgroup.mount / "memory/docker/abc"
    _write(group / "memory.limit_in_bytes", "1000\n")
    _write(group / "memory.usage_in_bytes", "900\n")
    _write(group / "memory.stat", "inactive_file 1\ntotal_inactive_file 600\n")
    assert cgroup.memory_left() == 700


def test_more_in_use_than_allowed_leaves_nothing(cgroup: Cgroup) -> None:
    _write(cgroup.membership, "0::/\n")
    _write(cgroup.mount / "memory.max", "1000\n")
    _write(cgroup.mount / "memory.current", "1400\n")
    assert cgroup.memory_left() == 0
