//! The in-memory Kafka behaves as Kafka does, and so do both of the ways to it: each case is one function, and all have
//! to pass it.

#![expect(clippy::unwrap_used, reason = "all of it is test code")]

mod groups;
mod kafka;
mod logs;
mod memory;
mod offsets;
mod steps;
mod tables;
mod transactions;
mod world;

macro_rules! cases {
    ($($module:ident { $($case:ident)+ })+) => {
        mod in_memory {
            $($(#[test]
            fn $case() {
                crate::$module::$case(&crate::memory::Memory::new());
            })+)+
        }

        mod on_kafka {
            $($(#[test]
            fn $case() {
                crate::$module::$case(&crate::kafka::RealKafka::of(stringify!($case)));
            })+)+
        }

        mod through_librdkafka {
            $($(#[test]
            fn $case() {
                crate::$module::$case(&crate::kafka::RealKafka::through_librdkafka(stringify!($case)));
            })+)+
        }
    };
}

cases! {
    transactions {
        committed_records_are_visible_and_aborted_ones_are_not
        an_open_transaction_holds_back_the_last_stable_offset
        records_of_two_open_transactions_wait_for_the_earlier_one
        a_zombie_is_fenced
        a_zombie_cannot_abort
        a_zombie_that_begins_is_fenced_at_the_end
        a_zombie_that_goes_on_is_fenced_at_once
        a_new_producer_ends_what_the_dead_one_left_open
        a_transaction_that_takes_too_long_is_aborted_and_its_producer_fenced
        an_empty_transaction_leaves_nothing
        a_zombie_may_end_an_empty_transaction
        a_refused_record_fails_its_transaction_only
        the_last_offset_of_each_slot_is_told
    }
    offsets {
        pending_offsets_block_a_stable_fetch
        pending_offsets_go_with_their_transaction
        a_transaction_that_ends_late_does_not_undo_a_later_commit
        offsets_of_different_groups_are_different
        a_stale_generation_is_refused
        a_zombie_commits_no_offsets
    }
    groups {
        a_rebalance_hands_partitions_over
        a_revoked_member_commits_before_it_answers
        a_member_that_does_not_poll_loses_its_partitions
        a_member_that_misses_a_rebalance_cannot_commit
        a_member_that_never_answers_is_left_behind
        a_member_with_nothing_to_read_stays
        members_leave_whatever_they_have_not_answered
        an_assignment_changes_while_the_group_lives_on
        a_group_tells_who_has_what
    }
    logs {
        records_come_back_as_they_were_sent
        the_position_passes_control_records
        a_writer_tells_each_offset_or_why_there_is_none
        many_share_a_writer_and_the_records_of_each_stay_in_order
        deleted_records_are_out_of_range
        assigning_again_drops_what_was_fetched
        topics_are_created_once_and_described
        a_topic_that_cannot_be_had_is_an_error
        what_is_not_there_may_come
    }
    tables {
        the_last_value_of_each_key_stays
        a_tombstone_goes_in_the_end
        an_aborted_value_replaces_nothing
    }
}
