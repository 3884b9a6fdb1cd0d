//! `get_process` and `list_processes`: what is known of processes.

use std::{cmp::Reverse, time::Duration};

use agent_api::{
    Caller, ListProcessesRequest, ListProcessesResponse, ProcessId, ProcessRecord, ProcessSummary,
    Timestamp,
    limits::{DEFAULT_PROCESS_LIST, MAX_PROCESS_LIST},
};
use agent_exec::Tree;

use crate::{
    Error, Processes,
    process::{Process, Status, note_usage},
    service::blocking,
    store::Request,
    table::sees,
};

impl Processes {
    /// Answers everything known of a process.
    ///
    /// # Errors
    ///
    /// [`Error::NoProcess`], [`Error::Forgotten`], [`Error::Store`].
    #[tracing::instrument(level = "debug", name = "proc.get_process", skip_all, fields(process.id = %id))]
    pub async fn get_process(
        &self,
        caller: &Caller,
        id: ProcessId,
    ) -> Result<ProcessRecord, Error> {
        let process = self.find(caller, id).await?;
        let retention = self.shared.config.retention;
        if process.look(Status::is_closed) {
            return Ok(record(&process, retention));
        }
        blocking(move || record(&process, retention)).await
    }

    /// Lists the processes that the caller sees: running ones first, then by their start, newest
    /// first.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    #[tracing::instrument(level = "debug", name = "proc.list_processes", skip_all)]
    pub async fn list_processes(
        &self,
        caller: &Caller,
        req: ListProcessesRequest,
    ) -> Result<ListProcessesResponse, Error> {
        self.shared.store().await?;
        let limit = match req.limit {
            0 => DEFAULT_PROCESS_LIST,
            limit => limit.min(MAX_PROCESS_LIST),
        };
        let mut seen = self.shared.table.lock().processes();
        seen.retain(|process| sees(caller, process.chat()));
        // The id makes the order of equal ones the same in every answer.
        let order = |status: &Status| (!status.is_running(), Reverse(status.state.started_at));
        seen.sort_by_cached_key(|process| (process.look(order), process.id()));
        seen.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let summaries = seen.iter().map(|process| summary(process.status(), process));
        Ok(ListProcessesResponse { processes: summaries.collect() })
    }
}

/// The record of one moment: an exit is in it only with all output before it.
///
/// Reads files of the kernel unless the process is closed.
fn record(process: &Process, retention: Duration) -> ProcessRecord {
    let status = process.status();
    let output_closed = status.is_output_closed();
    let mut state = status.state;
    let bounds = process.journals.output().bounds();
    let stderr = process.journals.stderr().map(crate::journal::Journal::bounds);
    // From the close on the record has the last figures.
    let tree = process.tree.as_ref().filter(|_| state.closed_at.is_none());
    if let Some(usage) = tree.and_then(Tree::usage) {
        note_usage(&mut state, usage);
    }
    if state.exit.is_none() {
        state.oom_killed = tree.is_some_and(Tree::oom_killed);
    }
    let request = process.record.request().clone();
    let Request { id, chat, command, args, workdir, background, user, limits, .. } = request;
    let exited_at = state.exit.as_ref().map(|exit| exit.at);
    ProcessRecord {
        id,
        command,
        args,
        workdir,
        background,
        running: state.exit.is_none(),
        output_closed,
        exit_code: state.exit.as_ref().map(|exit| exit.code),
        core_dumped: state.exit.as_ref().is_some_and(|exit| exit.core_dumped),
        signal: state.exit.and_then(|exit| exit.signal),
        timed_out: state.timed_out,
        lost: state.lost,
        oom_killed: state.oom_killed,
        started_at_unix: seconds(state.started_at),
        exited_at_unix: exited_at.map(seconds),
        pid: process.pid,
        started_at: state.started_at,
        exited_at,
        closed_at: state.closed_at,
        retained_until: state.closed_at.map(|at| later(at, retention)),
        stdin: state.stdin,
        chat_id: chat,
        user,
        terminal: state.terminal,
        timeout_ms: request.timeout_ms,
        limits,
        separate_stderr: request.separate_stderr,
        keep_children: request.keep_children,
        cpu_time_ms: state.cpu_time_ms,
        peak_memory_bytes: state.peak_memory_bytes,
        accounting: state.accounting,
        output_head_bytes: bounds.head,
        output_start_bytes: bounds.start,
        output_end_bytes: bounds.end,
        stderr_head_bytes: stderr.map(|bounds| bounds.head),
        stderr_start_bytes: stderr.map(|bounds| bounds.start),
        stderr_end_bytes: stderr.map(|bounds| bounds.end),
    }
}

fn summary(status: Status, process: &Process) -> ProcessSummary {
    let request = process.record.request();
    let output_closed = status.is_output_closed();
    let state = status.state;
    ProcessSummary {
        id: request.id,
        command: request.command.clone(),
        args: request.args.clone(),
        workdir: request.workdir.clone(),
        background: request.background,
        running: state.exit.is_none(),
        output_closed,
        exit_code: state.exit.as_ref().map(|exit| exit.code),
        pid: process.pid,
        started_at_unix: seconds(state.started_at),
        exited_at_unix: state.exit.as_ref().map(|exit| seconds(exit.at)),
        signal: state.exit.and_then(|exit| exit.signal),
    }
}

fn seconds(at: Timestamp) -> i64 {
    at.as_unix_ms().div_euclid(1000)
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    let ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_unix_ms(at.as_unix_ms().saturating_add(ms))
}
