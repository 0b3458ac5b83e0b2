"""Broken builds: each takes one safeguard out, and names a test that must notice."""

from dataclasses import dataclass

STORE = "engine/store"
HERE = "tests/faults"


@dataclass(frozen=True)
class Mutation:
    """One change of the source that a test must not let pass.

    Attributes:
        fault: the number of the fault that the test is about.
        what: the safeguard that is taken out.
        file: the source file, below the package.
        old: its text, which occurs once.
        new: what is put there instead.
        test: the test that must fail.
    """

    fault: int
    what: str
    file: str
    old: str
    new: str
    test: str


MUTATIONS = (
    Mutation(
        1,
        "a batch is one transaction",
        "engine/sync/service.py",
        "            merge.apply(batch)\n",
        "            merge.apply(batch[: len(batch) // 2])\n"
        "        with self._database.write() as uow:\n"
        "            merge = Merge(uow, _source_id(uow, name, kind, now), now)\n"
        "            merge.apply(batch[len(batch) // 2 :])\n",
        f"{HERE}/test_kill_import.py::test_killed_import_goes_on_where_it_was[6]",
    ),
    Mutation(
        2,
        "a killed change of the page key is finished before anything else",
        f"{STORE}/connections.py",
        "        while self._ready.exists():\n",
        "        while False:\n",
        f"{HERE}/test_kills.py::test_whoever_has_it_open_finishes_a_killed_rekey",
    ),
    Mutation(
        2,
        "the log is emptied before the page key changes",
        f"{STORE}/connections.py",
        "                    sqlcipher.empty_log(source, self._path)\n",
        "",
        f"{HERE}/test_kills.py::test_rekey_leaves_others_who_have_it_open_at_work",
    ),
    Mutation(
        2,
        "a page key that somebody else dropped is not put to use",
        f"{STORE}/connections.py",
        "                    check(source)\n",
        "",
        f"{HERE}/test_kills.py::test_two_changes_of_the_page_key_do_not_lose_it",
    ),
    Mutation(
        4,
        "the key file is replaced, not written over",
        f"{STORE}/keyslots.py",
        "            temporary.replace(path)\n",
        "            path.write_text('')\n            temporary.replace(path)\n",
        f"{HERE}/test_failing_calls.py::test_failing_call_is_told_and_gone_on_from"
        "[rotate]",
    ),
    Mutation(
        5,
        "what was begun is removed",
        f"{STORE}/backup.py",
        "    finally:\n        shutil.rmtree(making, ignore_errors=True)\n"
        "    finish_restore(target)\n",
        "    finally:\n        pass\n    finish_restore(target)\n",
        f"{HERE}/test_full_disk.py::test_workspace_is_not_half_made_on_a_full_disk"
        "[65536]",
    ),
    Mutation(
        6,
        "without memory nothing is said to have been done",
        "cli/main.py",
        '        diagnostics.failed("there is not enough memory", '
        '"close other programs")\n        return 1\n',
        "        return 0\n",
        f"{HERE}/test_failing_calls.py::"
        "test_failing_allocation_leaves_a_sound_workspace[some]",
    ),
    Mutation(
        7,
        "what does not authenticate is not shown",
        f"{STORE}/encryption.py",
        "                data = self._cipher(key).decrypt(nonce, sealed, bound)\n",
        "                try:\n"
        "                    data = self._cipher(key).decrypt(nonce, sealed, bound)\n"
        "                except InvalidTag:\n"
        "                    data = sealed\n",
        "tests/engine/store/test_encryption.py::test_flipped_bit_never_gives_a_text",
    ),
    Mutation(
        8,
        "the log that a crash left is read",
        f"{STORE}/sqlcipher.py",
        "            return connect(path, page_key)\n",
        '            Path(f"{path}-wal").unlink(missing_ok=True)\n'
        "            return connect(path, page_key)\n",
        f"{HERE}/test_damaged_files.py::test_damaged_log_leaves_an_earlier_state"
        "[flip-15]",
    ),
    Mutation(
        9,
        "nobody else uses the file while its page key changes",
        f"{STORE}/connections.py",
        "            with guard.alone(), sqlcipher.translated(self._path):\n",
        "            with sqlcipher.translated(self._path):\n",
        f"{HERE}/test_crowd.py::test_nobody_is_refused_in_a_crowd[4]",
    ),
    Mutation(
        9,
        "the head of the audit trail is read before the trail",
        "engine/identity/audit.py",
        "        _check_head(uow, head, Head(good, previous))\n",
        "        _check_head(uow, uow.head.read(), Head(good, previous))\n",
        f"{HERE}/test_crowd.py::test_nobody_is_refused_in_a_crowd[4]",
    ),
    Mutation(
        10,
        "keys from the future are not used",
        f"{STORE}/login_cache.py",
        "        if not 0 < left <= LONGEST_SECONDS:\n",
        "        if not 0 < left:\n",
        "tests/engine/store/test_login_cache.py::"
        "test_clock_set_back_does_not_lengthen_it[1]",
    ),
    Mutation(
        11,
        "network file systems are known",
        f"{STORE}/file_system.py",
        "    return found if found in NETWORK else None\n",
        "    return None\n",
        f"{HERE}/test_file_systems.py::test_refusal_names_the_kind_and_the_way_out",
    ),
    Mutation(
        11,
        "a file system that cannot be written to is told",
        f"{STORE}/sqlcipher.py",
        "REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}",
        "REFUSED = {errno.EACCES, errno.EPERM}",
        f"{HERE}/test_full_disk.py::test_read_only_folder_is_refused_in_words",
    ),
    Mutation(
        12,
        "a backup is of one state, with what is in the log",
        f"{STORE}/backup.py",
        "        database.snapshot(making / name, progress)\n",
        "        shutil.copyfile(database.path, making / name)\n",
        f"{HERE}/test_backup_under_load.py::"
        "test_backup_under_load_is_whole_elsewhere[3]",
    ),
    Mutation(
        29,
        "a secret that does not fit opens nothing",
        f"{STORE}/slots.py",
        '    if not hmac.compare_digest(derive(key, "check"), '
        'decode(slot["check"])):\n',
        "    if False:\n",
        "tests/engine/store/test_keyslots.py::"
        "test_wrong_secret_opens_no_slot[environment]",
    ),
    Mutation(
        30,
        "a sealed value is bound to its row",
        f"{STORE}/encryption.py",
        "(self._database, place.table, place.column, place.row, key_id)",
        "(self._database, place.table, place.column, key_id)",
        "tests/engine/store/test_encryption.py::"
        "test_moved_value_does_not_open[symmetric-row]",
    ),
    Mutation(
        31,
        "old keys are retired",
        "engine/identity/keys.py",
        "            changes.retire(empty)\n",
        "",
        f"{HERE}/test_rotation_under_load.py::"
        "test_everything_is_readable_while_it_is_rotated[400]",
    ),
    Mutation(
        31,
        "new keys are known before the key file is written",
        f"{STORE}/unit_of_work.py",
        "        if not self._cipher.knows(value):\n",
        "        if False:\n",
        f"{HERE}/test_rotation_under_load.py::"
        "test_values_are_readable_before_the_key_file_is_written",
    ),
    Mutation(
        32,
        "texts are written to the database only",
        "engine/identity/audit.py",
        "    uow.audited = Head(sequence, entry.hash)\n",
        "    uow.audited = Head(sequence, entry.hash)\n"
        '    uow.head.path.with_suffix(".lock").write_text(change)\n',
        f"{HERE}/test_canaries.py::test_no_file_holds_a_canary",
    ),
    Mutation(
        33,
        "keys are sealed to those of the role only",
        f"{STORE}/key_changes.py",
        "principal.role.includes(roles[key_id]))\n",
        "True)\n",
        "tests/engine/store/test_sealed_rows.py::"
        "test_lower_role_with_raw_sql_cannot_read_work_notes[viewer]",
    ),
    Mutation(
        34,
        "an action takes the role for it",
        "engine/identity/policy.py",
        "    if actor.role.includes(needed):\n",
        "    if needed:\n",
        "tests/cli/test_roles.py::test_role_decides[issue new-viewer]",
    ),
    Mutation(
        35,
        "the audit trail is compared with its head",
        f"{STORE}/audit_head.py",
        "        if head.sequence > sequence:\n",
        "        if False:\n",
        "tests/engine/store/test_audit_head.py::"
        "test_database_behind_its_head_is_refused[behind]",
    ),
    Mutation(
        35,
        "a longer chain must hold the entry of the head",
        "engine/identity/audit.py",
        "    if head is not None and 0 < head.sequence < last.sequence:\n",
        "    if head is None:\n",
        "tests/engine/identity/test_audit.py::test_tail_cut_off_and_gone_on_from_is_found",
    ),
    Mutation(
        36,
        "an action and its audit entry are one transaction",
        "engine/identity/audit.py",
        "    last = uow.audited or last_entry(uow)\n",
        "    uow.session.commit()\n    last = uow.audited or last_entry(uow)\n",
        "tests/engine/identity/test_audit.py::"
        "test_action_that_cannot_be_recorded_is_not_done[create]",
    ),
)
