"""Ways to break stored data past the service, and what `threadkeep verify` must say of each."""

import json

# What is done to a thread, past the service, and what `verify` must say of it. $id is the thread's id, $key its
# number inside. In each thread are five messages, and metadata of two pairs.
THREAD = "where id = '$id'"
MESSAGE = "where thread = $key and seq = 3"
PAYLOAD = (
    "insert into payloads (organization, thread, seq, size_bytes, data) "
    "select organization, key, 3, 1, 'x' from threads where key = $key"
)
FORK = (
    "insert into forks (organization, thread, seq, parent_seq) "
    "select organization, key, {seq}, {parent} from threads where key = $key"
)
RESPONSE = (
    "insert into responses (organization, id, thread, message_seq, message_id, user_id, is_personal, model, status, "
    "input_count, input_message_ids, metadata, input_tokens, output_tokens, is_estimated, created_ms, ended_ms, "
    "last_n, {column}) select organization, '{id}', key, 9, 'msg_x', user_id, 1, 'm', 'completed', 0, '[]', '{{}}', "
    "0, 0, 1, created_ms, created_ms, 2, {value} from threads where key = $key"
)
CORRUPTIONS = {
    "count": (f"update threads set message_count = 6 {THREAD}", "messageCount is 6, but it has 5"),
    "lost_message": (f"delete from messages {MESSAGE}", "messageCount is 5, but it has 4"),
    "number_too_high": (f"update threads set last_seq = 4 {THREAD}", "the number 5, but only 4 were given"),
    "number_too_low": (f"update messages set seq = 0 {MESSAGE}", "a message has the number 0"),
    "cleared_too_far": (f"update threads set cleared_seq = 9 {THREAD}", "cleared up to 9"),
    "not_removed": (
        f"update threads set cleared_seq = 2, message_count = 3 {THREAD}",
        "nothing will remove it",
    ),
    "last_message": (f"update threads set last_message_ms = 1 {THREAD}", "lastMessageAt"),
    "no_last_message": (f"update threads set last_message_ms = null {THREAD}", "lastMessageAt"),
    "long_title": (
        f"update threads set title = '{'x' * 201}', title_folded = '{'x' * 201}' {THREAD}",
        "title has 201",
    ),
    "folded_title": (f"update threads set title_folded = 'other' {THREAD}", "its title is indexed"),
    "metadata_pairs": (
        f"update threads set metadata = '{json.dumps({str(n): n for n in range(17)})}' {THREAD}",
        "metadata_too_many",
    ),
    "metadata_form": ("update threads set metadata = '{\"a\": {}' where id = '$id'", "its metadata is not"),
    "pair_missing": (
        "delete from thread_metadata where thread = $key and pair = (select min(pair) from thread_metadata "
        "where thread = $key)",
        "cannot be found by a metadata pair",
    ),
    "pair_surplus": (
        "update threads set metadata = '{\"category\":\"support\"}' where id = '$id'",
        "by a metadata pair that it does not have",
    ),
    "pair_shelf": ("update thread_metadata set shelf = 4 where thread = $key", "under another state"),
    "pair_user": ("update thread_metadata set user_id = 'uid_x' where thread = $key", "under another state"),
    "archived": (f"update threads set archived_ms = 1 {THREAD}", "under another state"),
    "lock_role": (f"update threads set locked_by_role = 'owner' {THREAD}", "somebody's lock is left"),
    "lock_nobody": (f"update threads set locked_ms = 1 {THREAD}", "it is locked by nobody"),
    "lock_unknown": (
        f"update threads set locked_ms = 1, locked_by_role = 'boss' {THREAD}",
        "a role that does not exist",
    ),
    "lease": (f"update threads set lease_until = 1 {THREAD}", "a lease without a response"),
    "response": (f"update threads set response_id = 'resp_x' {THREAD}", "a response without a lease"),
    "updated": (f"update threads set updated_ms = created_ms - 1 {THREAD}", "changed before it was created"),
    "revision": (f"update threads set revision = created_ms - 1 {THREAD}", "its revision is from before"),
    "visible": (f"update threads set visible_in_ui = 2 {THREAD}", "visibleInUi is neither"),
    "content": ("update messages set content = '[{}]' " + MESSAGE, "its content is not a list of parts"),
    "no_json": (f"update messages set content = '[' {MESSAGE}", "its content is not a list of parts"),
    "blank": (
        'update messages set content = \'[{"type":"text","text":" "}]\' where thread = $key and seq = 3',
        "its content is blank",
    ),
    "long_content": (
        'update messages set content = \'[{"type":"text","text":"' + "x" * (256 * 1024 + 1) + "\"}]' " + MESSAGE,
        "more than 262144 characters",
    ),
    "preview": (f"update messages set preview = 'other' {MESSAGE}", "its preview is not"),
    "size": (f"update messages set size_bytes = 1 {MESSAGE}", "its size is stored as 1 bytes"),
    "wanted_back": (
        f"update messages set wanted_back = '[]' {MESSAGE}",
        "kept for its model is not in the stored form",
    ),
    "wanted_back_of_a_user": (
        'update messages set wanted_back = \'{"by":"x"}\' where thread = $key and seq = 3',
        "kept for its model that no model has said",
    ),
    "long_wanted_back": (
        'update messages set wanted_back = \'{"by":"' + "x" * (256 * 1024) + "\"}' " + MESSAGE,
        "262153 characters are kept for its model",
    ),
    "message_metadata": (f"update messages set metadata = '[]' {MESSAGE}", "its metadata is not"),
    "role": (f"update messages set role = 'boss' {MESSAGE}", "its role does not exist"),
    "status": (f"update messages set status = 'half' {MESSAGE}", "its status does not exist"),
    "tool_calls": (f"update messages set tool_calls = '[1]' {MESSAGE}", "its tool calls are not"),
    "tool_call_id": (f"update messages set tool_call_id = 'x' {MESSAGE}", "answers a tool call"),
    "finish_reason": (
        "insert into responses (organization, id, thread, message_seq, message_id, user_id, is_personal, model, "
        "status, error_code, finish_reason, input_count, input_message_ids, metadata, input_tokens, output_tokens, "
        "is_estimated, created_ms, ended_ms, last_n) select organization, 'resp_whole', key, 9, 'msg_x', user_id, "
        "1, 'm', 'failed', 'internal', 'stop', 0, '[]', '{}', 0, 0, 1, created_ms, created_ms, 2 from threads "
        "where key = $key",
        "says why it is whole, and is not",
    ),
    "first_of_nothing": (
        RESPONSE.format(id="resp_lost", column="first", value=999999),
        "a response that does not exist",
    ),
    "first_that_has_one": (
        f"{RESPONSE.format(id='resp_self', column='first', value='(select coalesce(max(key), 0) + 1 from responses)')}",
        "or goes on with one itself",
    ),
    "asked": (
        RESPONSE.format(id="resp_asked", column="asked", value="'[]'"),
        "was asked for is not in the stored form",
    ),
    # Payloads, forks, expiry.
    "payload_without_format": (PAYLOAD, "a payload without a format"),
    "format_without_payload": (f"update messages set payload_format = 'x' {MESSAGE}", "a format without a payload"),
    "thread_format_without_payload": (
        f"update threads set payload_format = 'x' {THREAD}",
        "a format without a payload",
    ),
    "payload_size": (
        f"{PAYLOAD.replace('1, ', '7, ')}; update messages set payload_format = 'x' {MESSAGE}",
        "the size of its payload is stored as another",
    ),
    "fork_before_its_parent": (
        f"{FORK.format(seq=3, parent=4)}; update threads set is_branched = 1 {THREAD}",
        "it follows a message that came later",
    ),
    "fork_of_nothing": (
        f"{FORK.format(seq=3, parent=-1)}; update threads set is_branched = 1 {THREAD}",
        "it follows a message that does not exist",
    ),
    "fork_in_a_line": (FORK.format(seq=3, parent=1), "is stored as a single line"),
    "lost_fork": (
        f"{FORK.format(seq=9, parent=1)}; update threads set is_branched = 1 {THREAD}",
        "1 branches begin with messages that do not exist",
    ),
    "retention": (f"update threads set retention_ms = 1 {THREAD}", "it has a retention and never expires"),
}

# What belongs to no thread that can be named.
ELSEWHERE = {
    "orphan_message": (
        "insert into messages (organization, thread, seq, id, role, content, preview, size_bytes, status, metadata, "
        "created_ms, updated_ms, revision) values ($organization, 999999, 1, 'msg_orphan', 'assistant', '[]', '', 4, "
        "'completed', '{}', 1, 1, 1)",
        "its thread does not exist",
    ),
    "orphan_pair": (
        "insert into thread_metadata (organization, pair, shelf, created_ms, thread, user_id) select organization, "
        "pair, shelf, created_ms, 999998, user_id from thread_metadata limit 1",
        "a thread that does not exist (number 999998)",
    ),
    "no_owner": ("update members set role = 'member'", "none of its members is an owner"),
    "member_of_nothing": (
        "insert into members (organization, user_id, role, created_ms, updated_ms, revision) "
        "values (999, 'uid_lost', 'member', 1, 1, 1)",
        "uid_lost is a member of an organization that does not exist",
    ),
    # The owner was made a member above.
    "key_above": ("update api_keys set name = 'above'", "is a key of role owner, and its user is member"),
    "key_of_nothing": (
        "update api_keys set organization = 999 where user_id = 'uid_program'",
        "a key of an organization that does not exist",
    ),
    "thread_of_nothing": (
        "insert into threads (organization, id, user_id, metadata, visible_in_ui, message_count, last_seq, "
        "created_ms, updated_ms, revision) values (998, 'thread_lost', 'uid_x', '{}', 1, 0, 0, 1, 1, 1)",
        "its organization does not exist",
    ),
    "deleted_assistant": (
        "insert into assistants (organization, id, instructions, configuration, metadata, created_ms, updated_ms, "
        "revision, deleted_ms) values ($organization, 'asst_left', 'secret', '{}', '{}', 1, 1, 1, 2)",
        "asst_left was deleted, and more of it is left than its id",
    ),
    "deleted_assistants_settings": (
        "insert into assistants (organization, id, configuration, metadata, created_ms, updated_ms, revision, "
        "deleted_ms) values ($organization, 'asst_kept', '{\"model\":\"x\"}', '{}', 1, 1, 1, 2)",
        "asst_kept was deleted, and more of it is left than its id",
    ),
    "stored_refusal": (
        "update idempotency set status = 409 where key = 'make-thread_sound'",
        "an answer with status 409 is stored",
    ),
    "orphan_payload": (
        "insert into payloads (organization, thread, seq, size_bytes, data) values ($organization, 999997, 0, 1, 'x')",
        "a payload is left of something that does not exist (number 999997)",
    ),
    "orphan_payload_of_a_message": (
        "insert into payloads (organization, thread, seq, size_bytes, data) "
        "select organization, key, 77, 1, 'x' from threads where id = 'thread_retention'",
        "a payload is left of something that does not exist",
    ),
}
# Planted by themselves: of all of them together, more would be found than is shown.
OF_BULKS = {
    "bulk_that_nobody_ends": (
        "insert into bulks (organization, id, user_id, action, status, matched, done, changed, refused, step_size, "
        "created_ms, until_ms, caller, lease_until, change) values ($organization, 'bulk_idle', 'uid_x', 'update', "
        "'in_progress', 2, 2, 0, '{}', 50, 1, 4503599627370496, '{}', null, null)",
        "bulk_idle is a bulk that goes on and nobody works at",
    ),
    "bulk_of_too_many": (
        "insert into bulks (organization, id, user_id, action, status, matched, done, changed, refused, step_size, "
        "created_ms, until_ms, caller, lease_until, change) values ($organization, 'bulk_many', 'uid_x', 'update', "
        "'completed', 2, 2, 2, '{\"thread_locked\":1}', 50, 1, 4503599627370496, '{}', null, null)",
        "bulk_many counts more threads than it has",
    ),
    "bulk_without_its_threads": (
        "insert into bulks (organization, id, user_id, action, status, matched, done, changed, refused, step_size, "
        "created_ms, until_ms, caller, lease_until, change) values ($organization, 'bulk_lost', 'uid_x', 'update', "
        "'in_progress', 3, 1, 1, '{}', 50, 1, 4503599627370496, '{}', 4503599627370496, null)",
        "bulk_lost has 2 threads to do, but 0 are stored",
    ),
    "bulk_with_its_change": (
        "insert into bulks (organization, id, user_id, action, status, matched, done, changed, refused, step_size, "
        "created_ms, until_ms, caller, lease_until, change) values ($organization, 'bulk_words', 'uid_x', 'update', "
        "'completed', 0, 0, 0, '{}', 50, 1, 4503599627370496, '{}', null, 'x')",
        "what bulk_words has changed is left, though it has ended",
    ),
    "orphan_part_of_a_bulk": (
        "insert into bulk_parts (organization, bulk, part, thread_count, threads) "
        "values ($organization, 999996, 1, 1, '[1]')",
        "threads are left of a bulk that does not exist (number 999996)",
    ),
    "orphan_undo": (
        "insert into bulk_undo (organization, thread, bulk, revision, was) "
        "values ($organization, 999995, 999996, 1, '{}')",
        "what a bulk has changed is left of a thread that does not exist (number 999995)",
    ),
}
