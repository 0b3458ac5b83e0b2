"""Broken builds: each takes one safeguard out, and names a test that must notice."""

from dataclasses import dataclass

STORE = "engine/store"
HERE = "tests/faults"
INFERENCE = "engine/inference"
INFERENCE_TESTS = "tests/engine/inference"
SOPS = "engine/assistant/sops"
ASSISTANT = "engine/assistant"
SOP_TESTS = "tests/engine/assistant/test_sops.py"
SYNC = "engine/sync"
SYNC_TESTS = "tests/engine/sync"


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
        "            merge = Merge(uow, source_id(uow, name, kind, now), now)\n"
        "            merge.apply(batch[len(batch) // 2 :])\n",
        f"{HERE}/test_kill_import.py::test_killed_import_goes_on_where_it_was[6]",
    ),
    Mutation(
        1,
        "a page and its cursor are one transaction",
        f"{SYNC}/sync.py",
        "            cursor = page.cursor if move else None\n",
        "            cursor = page.cursor if move else None\n"
        "            with self._database.write() as uow:\n"
        "                if cursor is not None:\n"
        "                    uow.sql('UPDATE source SET cursor = ? WHERE id = ?', "
        "cursor, self._source)\n",
        f"{SYNC_TESTS}/test_sync_service.py::test_page_and_cursor_are_kept_together",
    ),
    Mutation(
        1,
        "the cursor is behind what was merged, not ahead of it",
        f"{SYNC}/sync.py",
        "            merge.apply(items)\n",
        "            merge.apply(items[: len(items) // 2])\n",
        f"{HERE}/test_kill_sync.py::test_killed_sync_goes_on_where_it_was[sync-4]",
    ),
    Mutation(
        1,
        "a local edit holds against its source",
        f"{SYNC}/merge.py",
        "            if overrides.meet(self._uow, edit, says):\n",
        "            if not overrides.meet(self._uow, edit, says):\n",
        f"{SYNC_TESTS}/test_merge_mirrored.py::"
        "test_local_edit_holds_until_upstream_says_the_same",
    ),
    Mutation(
        1,
        "a resolution that a person told is not replaced",
        "engine/issues/resolving.py",
        "    if known is not None and known.confirmed_by is not None:\n",
        "    if known is None:\n",
        f"{SYNC_TESTS}/test_merge_mirrored.py::"
        "test_resolution_of_a_person_is_not_replaced",
    ),
    Mutation(
        1,
        "a rejected text is not mined again",
        "engine/issues/resolution.py",
        "        entry for entry in valued(story) if not _is_among(entry[0].text, "
        "rejected)\n",
        "        entry for entry in valued(story)\n",
        "tests/engine/issues/test_resolution_review.py::"
        "test_a_rejected_text_is_never_mined_again",
    ),
    Mutation(
        33,
        "a confirmed work note stays with the engineers",
        "engine/issues/review.py",
        "            reader = Role.VIEWER if public else found.reader\n",
        "            reader = Role.VIEWER\n",
        "tests/engine/issues/test_resolution_review.py::"
        "test_a_work_note_is_public_only_when_said_so[False]",
    ),
    Mutation(
        33,
        "a fix for engineers is not exported as everybody's",
        "connectors/files/interchange.py",
        "    return resolution.text if resolution.reader is Role.VIEWER else None\n",
        "    return resolution.text\n",
        "tests/cli/test_resolution_command.py::"
        "test_engineers_words_are_not_exported_as_everybodys",
    ),
    Mutation(
        1,
        "an issue is known again under another key",
        f"{SYNC}/mirrored.py",
        "        if by_key is None and by_id is not None:\n",
        "        if by_key is not None and by_id is not None:\n",
        f"{SYNC_TESTS}/test_merge_mirrored.py::"
        "test_issue_keeps_its_number_under_another_key",
    ),
    Mutation(
        1,
        "a push is noted before it is sent",
        f"{SYNC}/push.py",
        "            if not target.unsent:\n"
        "                self._note(actor, target, requests)\n",
        "            connector.push(target.change)\n"
        "            if not target.unsent:\n"
        "                self._note(actor, target, requests)\n",
        f"{SYNC_TESTS}/test_push.py::test_push_is_in_the_trail_before_it_is_sent",
    ),
    Mutation(
        9,
        "one sync of a source at a time",
        f"{STORE}/locking.py",
        "            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)\n",
        "            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)\n",
        f"{SYNC_TESTS}/test_sync_service.py::test_second_run_says_that_one_is_at_it",
    ),
    Mutation(
        10,
        "reading a part anew leaves the cursor",
        f"{SYNC}/sync.py",
        "        return not (self._wish.dry_run or skips)\n",
        "        return not self._wish.dry_run\n",
        f"{SYNC_TESTS}/test_sync_service.py::"
        "test_since_reads_from_there_and_leaves_the_cursor",
    ),
    Mutation(
        10,
        "what a full run met is known by the run, not by the time",
        f"{SYNC}/sync.py",
        "col(Issue.seen_at).is_distinct_from(self._started)",
        "(col(Issue.seen_at) < self._started)",
        f"{SYNC_TESTS}/test_sync_service.py::"
        "test_full_run_finds_what_is_gone_on_another_day[-1]",
    ),
    Mutation(
        14,
        "what was not met is asked for before it is gone",
        f"{SYNC}/sync.py",
        "            return self._connector.fetch(key)\n",
        "            from issuetrack.engine.store.types import GoneReason\n\n"
        "            return GoneIssue(key, GoneReason.DELETED)\n",
        f"{SYNC_TESTS}/test_sync_service.py::"
        "test_full_run_asks_for_what_it_did_not_meet",
    ),
    Mutation(
        14,
        "a pushed comment carries its mark",
        "connectors/github/writing.py",
        '        body = f"{change.comment}\\n\\n{MARK.format(change.mark)}"\n',
        "        body = change.comment\n",
        "tests/cli/test_push_command.py::test_answer_that_is_lost_is_not_sent_twice",
    ),
    Mutation(
        17,
        "a token is bound to its origin",
        f"{STORE}/encryption.py",
        "*([place.origin] if place.origin else [])",
        "*(['origin'] if place.origin else [])",
        f"{SYNC_TESTS}/test_credentials.py::"
        "test_token_is_for_one_origin[https://tracker.evil.example]",
    ),
    Mutation(
        17,
        "a redirect to another origin is not followed",
        "connectors/http.py",
        "            if origin_of(url) == self._origin and "
        "_peer(url) == _peer(self.base_url):\n",
        "            if url:\n",
        "tests/connectors/test_http_faults.py::test_faults_17_redirect_elsewhere",
    ),
    Mutation(
        18,
        "an address behind a name is looked at",
        "connectors/network.py",
        "                refuse_address(host, address, self._allowed)\n",
        "                pass\n",
        "tests/connectors/test_http_faults.py::test_faults_18_name_that_leads_inside",
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
    Mutation(
        43,
        "a model's file is checked before it is loaded",
        f"{INFERENCE}/llama_chat.py",
        "        if self._sha256 is not None and checksum(self._path) != self._sha256:\n",
        "        if False:\n",
        f"{INFERENCE_TESTS}/test_llama_chat.py::"
        "test_faults_43_file_that_is_not_the_one_that_was_added[swapped]",
    ),
    Mutation(
        43,
        "a download must have the checksum that the hub states",
        f"{INFERENCE}/hub.py",
        "    if checksum(part) != file.sha256:\n",
        "    if False:\n",
        f"{INFERENCE_TESTS}/test_hub.py::"
        "test_file_with_another_checksum_is_refused_and_removed",
    ),
    Mutation(
        43,
        "a later download must be the file of the first one",
        f"{INFERENCE}/library.py",
        "        if pinned is not None and pinned != file.sha256:\n",
        "        if False:\n",
        f"{INFERENCE_TESTS}/test_hub.py::test_later_file_that_differs_is_refused",
    ),
    Mutation(
        18,
        "a model server is on the private network",
        f"{INFERENCE}/guarded.py",
        "        elif not is_local(ip):\n",
        "        elif False:\n",
        f"{INFERENCE_TESTS}/test_server_chat.py::"
        "test_name_that_changes_its_address_is_looked_at_each_time",
    ),
    Mutation(
        27,
        "control tokens in a text are broken",
        f"{INFERENCE}/llama_chat.py",
        '        return self._control.sub(lambda found: f"{found[0][0]} {found[0][1:]}", text)\n',
        "        return text\n",
        f"{INFERENCE_TESTS}/test_llama_chat.py::"
        "test_control_tokens_in_a_text_are_broken",
    ),
    Mutation(
        34,
        "the author of a procedure does not approve it",
        f"{SOPS}/workflow.py",
        "    if row.author == act.actor.principal:\n",
        "    if not row.author:\n",
        f"{SOP_TESTS}::test_the_author_does_not_approve",
    ),
    Mutation(
        9,
        "of two edits of a procedure at once the second is refused",
        f"{SOPS}/workflow.py",
        "    if newest.version != basis.newest:\n",
        "    if newest.version < basis.newest:\n",
        f"{SOP_TESTS}::test_of_two_edits_at_once_the_second_is_told",
    ),
    Mutation(
        27,
        "only approved procedures are evidence",
        "engine/retrieval/scope.py",
        "        elif self.sops is SopScope.APPROVED:\n",
        "        elif self.sops is SopScope.APPROVED and self.before:\n",
        f"{SOP_TESTS}::test_only_the_approved_are_evidence",
    ),
    Mutation(
        27,
        "a deprecated procedure is not in force",
        f"{SOPS}/workflow.py",
        "    current = next(iter(approved or alive), None)\n",
        "    current = next(iter(approved or alive), rows[0][0])\n",
        f"{SOP_TESTS}::test_search_finds_what_is_in_force",
    ),
    Mutation(
        33,
        "work notes stay out of procedures",
        f"{SOPS}/quotes.py",
        "        told = tuple(item for item in told if item.reader is Role.VIEWER)\n",
        "        told = tuple(told)\n",
        "tests/engine/assistant/test_sop_drafts.py::"
        "test_work_notes_stay_out_unless_asked_for",
    ),
    Mutation(
        27,
        "what a model states is held against what it cites",
        f"{ASSISTANT}/verification.py",
        "    if found is None:\n        return",
        "    if found is None:\n        found = told\n    if not found:\n        return",
        "tests/engine/assistant/test_verification.py::test_lies_are_found",
    ),
    Mutation(
        27,
        "a command of a model is a stored one, whole",
        f"{ASSISTANT}/verification.py",
        "not any(same_command(command, s) for s in stored)",
        "not stored",
        "tests/engine/assistant/test_verification.py::"
        "test_no_part_of_a_command_and_no_strange_citation",
    ),
    Mutation(
        27,
        "a summary of a model is verified",
        f"{ASSISTANT}/merging.py",
        "        reason = check_text(said, words) if said else",
        "        reason = None if said else",
        "tests/engine/assistant/test_injection.py::"
        "test_obedient_model_gets_nothing_shown",
    ),
    Mutation(
        27,
        "a model takes nothing away from the quotes",
        f"{ASSISTANT}/merging.py",
        "            elif same and not _covers(statement, same):\n",
        "            elif not statement:\n",
        "tests/engine/assistant/test_llm_composer.py::"
        "test_shorter_words_do_not_replace_the_quote",
    ),
    Mutation(
        28,
        "role tokens and delimiters are broken up",
        f"{ASSISTANT}/prompts.py",
        "    for pattern, broken in _BREAKS:\n",
        "    for pattern, broken in _BREAKS[:0]:\n",
        "tests/engine/assistant/test_injection.py::test_prompt_holds_no_turn_but_ours",
    ),
    Mutation(
        25,
        "hidden characters are not sent to a model",
        f"{ASSISTANT}/prompts.py",
        "unicodedata.category(c) not in _UNSEEN",
        "c not in _UNSEEN",
        "tests/engine/assistant/test_prompts.py::test_hidden_characters_are_not_sent",
    ),
)
