//! Tests of who belongs to a tree, on made-up tables.

use super::*;

/// This process in the tables below.
const ME: u32 = 10;
const LEADER: Entry =
    Entry { pid: 100, parent: ME, group: 100, session: 100, started: 1000, is_alive: true };
const AGENT: Entry =
    Entry { pid: ME, parent: 1, group: ME, session: ME, started: 5, is_alive: true };

/// A process that started after the leader, the later the higher its id.
fn entry(pid: u32, parent: u32, session: u32) -> Entry {
    let started = 1000 + u64::from(pid);
    Entry { pid, parent, group: session, session, started, is_alive: true }
}

struct Case<'a> {
    table: &'a [Entry],
    known: &'a [Entry],
    ended: u64,
    foreign: &'a [u32],
    marked: &'a [u32],
}

const CASE: Case<'static> =
    Case { table: &[], known: &[], ended: u64::MAX, foreign: &[], marked: &[] };

#[track_caller]
fn check(case: &Case<'_>, expected: &[u32]) {
    let known = case.known.iter().map(|entry| (entry.pid, entry.started)).collect();
    let view = View {
        leader: &LEADER,
        ended: case.ended,
        known: &known,
        me: ME,
        own_session: ME,
        foreign: &|pid| case.foreign.contains(&pid),
        marked: &|entry| case.marked.contains(&entry.pid),
    };
    let found: Vec<u32> = view.members(case.table).iter().map(|entry| entry.pid).collect();
    assert_eq!(found, expected);
}

#[test]
fn children_belong_also_those_with_a_session_of_their_own() {
    // The order of ids is not that of descent.
    let table = [AGENT, LEADER, entry(104, 105, 105), entry(105, 106, 105), entry(106, 100, 100)];
    check(&Case { table: &table, ..CASE }, &[100, 104, 105, 106]);
}

#[test]
fn a_session_belongs_when_one_of_its_processes_does() {
    let known = entry(110, ME, 110);
    let table =
        [AGENT, LEADER, entry(105, ME, 100), known, entry(111, ME, 110), entry(112, 1, 112)];
    check(&Case { table: &table, known: &[known], ..CASE }, &[100, 105, 110, 111]);
    check(&Case { table: &table, ..CASE }, &[100, 105]);
}

#[test]
fn the_session_of_this_process_is_no_tree() {
    let young = Entry { session: ME, ..LEADER };
    let table = [AGENT, young, entry(120, ME, ME)];
    check(&Case { table: &table, ..CASE }, &[100]);
}

#[test]
fn sessions_outside_of_the_pid_namespace_are_not_one_session() {
    let table = [AGENT, LEADER, entry(121, 100, 0), entry(122, ME, 0)];
    check(&Case { table: &table, ..CASE }, &[100, 121]);
}

#[test]
fn a_marked_process_belongs_with_everything_below_it() {
    let table = [AGENT, entry(130, ME, 130), entry(131, 130, 131), entry(132, ME, 132)];
    check(&Case { table: &table, marked: &[130], ended: 1100, ..CASE }, &[130, 131]);
}

#[test]
fn nothing_older_than_the_leader_belongs() {
    let older = Entry { started: 999, ..entry(50, 100, 100) };
    check(&Case { table: &[AGENT, LEADER, older], marked: &[50, ME], ..CASE }, &[100]);
}

#[test]
fn leaders_of_other_trees_do_not_belong() {
    let table = [AGENT, LEADER, entry(140, ME, 140), entry(141, 140, 140)];
    check(&Case { table: &table, foreign: &[100, 140], marked: &[140], ..CASE }, &[100]);
}

#[test]
fn survivors_in_the_session_belong_after_the_leader_was_collected() {
    let table = [AGENT, entry(150, ME, 100), entry(151, ME, 100)];
    check(&Case { table: &table, ended: 1150, ..CASE }, &[150, 151]);
}

#[test]
fn a_later_session_of_the_same_number_does_not_belong() {
    let reused = Entry { started: 9000, ..LEADER };
    let below = Entry { started: 9001, ..entry(160, 100, 100) };
    check(&Case { table: &[AGENT, reused, below], ended: 1150, ..CASE }, &[]);
    check(&Case { table: &[AGENT, below], ended: 1150, ..CASE }, &[]);
}

#[test]
fn a_known_id_with_another_start_is_another_process() {
    let seen = entry(170, ME, 170);
    let reused = Entry { started: 9000, ..seen };
    check(&Case { table: &[AGENT, reused], known: &[seen], ended: 1150, ..CASE }, &[]);
    check(&Case { table: &[AGENT, seen], known: &[seen], ended: 1150, ..CASE }, &[170]);
}

#[test]
fn the_clock_counts_like_the_table() {
    let me = Entry::read(std::process::id()).unwrap();
    let now = ticks();
    assert!(me.started <= now, "{} is not before {now}", me.started);
    assert!(now - me.started < 100 * 3600, "this test started within the hour");
}
