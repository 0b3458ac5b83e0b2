"""Network file systems are refused in words, whichever way they are mounted."""

from pathlib import Path

import pytest

from faults.kit import KEY
from issuetrack.engine.errors import StoreError
from issuetrack.engine.store import file_system
from issuetrack.engine.store.file_system import network_file_system, refuse_network
from issuetrack.engine.store.slots import SlotKind, SlotSecret
from issuetrack.engine.workspace import Workspace

# As /proc/self/mountinfo has them, see proc(5): number, parent, device, root, mount
# point, options, optional fields, a dash, type, source and more options.
TABLE = r"""
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
23 22 0:21 / /proc rw,nosuid shared:2 - proc proc rw
30 22 0:30 / /srv rw,relatime shared:3 - nfs4 files:/srv rw,vers=4.2,addr=10.0.0.5
31 30 254:1 / /srv/local rw,relatime - xfs /dev/vdb rw
32 31 0:33 / /srv/local/deep rw,relatime - cifs //nas/deep rw,vers=3.1.1
33 22 0:34 / /mnt/with\040a\040space rw shared:4 master:7 - nfs files:/spaced rw
34 22 0:35 / /mnt/tab\011and\134slash rw - fuse.sshfs me@host:/ rw,user_id=0
35 22 0:36 / /over rw - nfs files:/over rw
36 35 0:37 / /over rw - tmpfs tmpfs rw
37 22 0:38 / /under rw - tmpfs tmpfs rw
38 37 0:39 / /under rw - 9p share rw
39 22 0:40 / /glass rw - glusterfs vol rw
""".lstrip()


@pytest.fixture
def mounts(tmp_path: Path) -> Path:
    """Return a table of mounts."""
    path = tmp_path / "mountinfo"
    path.write_text(TABLE, encoding="utf-8")
    return path


# FAULTS 11
@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/", None),
        ("/home/me", None),
        ("/srv", "nfs4"),
        ("/srv/data/one", "nfs4"),
        ("/srv-else", None),
        ("/srv/local", None),
        ("/srv/local/x", None),
        ("/srv/local/deep/x", "cifs"),
        ("/srv/localx", "nfs4"),
        ("/mnt/with a space/x", "nfs"),
        ("/mnt/with a spaces", None),
        ("/mnt/tab\tand\\slash", "fuse.sshfs"),
        ("/over/x", None),
        ("/under/x", "9p"),
        ("/glass", "glusterfs"),
        ("/glasses", None),
    ],
)
def test_kind_of_file_system_is_that_of_the_nearest_mount(
    mounts: Path, folder: str, kind: str | None
) -> None:
    """The longest mount point counts, the last of equal ones, and names unescaped."""
    assert network_file_system(Path(folder), mounts) == kind


# FAULTS 11
def test_refusal_names_the_kind_and_the_way_out(mounts: Path) -> None:
    """The message tells the file, the file system and what to do."""
    with pytest.raises(StoreError, match=r"/srv/a\.db .*\(nfs4\)") as raised:
        refuse_network(Path("/srv/a.db"), mounts)

    assert "local disk" in (raised.value.hint or "")
    refuse_network(Path("/srv/local/a.db"), mounts)


# FAULTS 11
def test_link_to_a_network_file_system_is_followed(
    tmp_path: Path, mounts: Path
) -> None:
    """What counts is where the file really is."""
    link = tmp_path / "link"
    link.symlink_to("/srv/data")

    assert network_file_system(link, mounts) == "nfs4"


# FAULTS 11
def test_without_a_table_nothing_is_refused(tmp_path: Path) -> None:
    """Elsewhere than on Linux nothing is known."""
    refuse_network(Path("/srv/a.db"), tmp_path / "absent")


# FAULTS 11
@pytest.mark.skipif(not file_system.MOUNTS.exists(), reason="it takes /proc")
def test_table_of_this_machine_is_understood(tmp_path: Path) -> None:
    """The real table is read, and this folder is local."""
    lines = file_system.MOUNTS.read_text(encoding="utf-8").splitlines()
    kinds = {line.partition(" - ")[2].split()[0] for line in lines}

    assert "proc" in kinds
    assert network_file_system(tmp_path) is None
    assert network_file_system(Path("/proc/self")) is None


# FAULTS 11
def test_workspace_is_neither_made_nor_opened_on_a_network(
    tmp_path: Path, mounts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written there."""
    folder = tmp_path / "shared"
    line = f"40 22 0:41 / {folder} rw - nfs4 files:/x rw\n"
    mounts.write_text(TABLE + line, encoding="utf-8")
    monkeypatch.setattr(file_system.network_file_system, "__defaults__", (mounts,))
    monkeypatch.setattr(file_system.refuse_network, "__defaults__", (mounts,))
    secret = SlotSecret(SlotKind.ENVIRONMENT, KEY.encode())
    with pytest.raises(StoreError, match="network file system"):
        Workspace.create(folder / "a.db", "owner", lambda _: [secret])

    assert list(folder.glob("*")) == []
