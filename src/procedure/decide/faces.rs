//! Which front-end's console is asked. Never the balancer: always a named one.
use crate::farm::Half;

use super::super::action::JobKind;
use super::super::layout::{Layout, ServerIx};
use super::super::progress::{Direction, Progress, ServerProgress};
use super::super::view::View;

/// A console that failed is not asked again for this long while another may answer.
const FAILED_CONSOLE_REST_MS: u64 = 60_000;
/// Nor is one of the new version for this long: it is waited for where old ones fail, and asked in
/// every second round of polls, so that the others have their turns.
const FAILED_NEW_CONSOLE_REST_MS: u64 = 25_000;
/// A console that goes on showing flags as they were for longer than this, whatever they are set to,
/// may show an old page: another is asked, where there is one. Its clock tells only once it was seen
/// to run.
const SHOWS_NO_CHANGE_MS: u64 = 30_000;
/// The worst rank of a console that is known to be of the new version.
const NEW_RANK_MAX: u8 = 1;

/// Consoles that may be believed, with their ranks, 0 the best, in no order: proven, then installed or
/// deployed to (its own build is the target's), then upgraded merely, then untouched; among equals one
/// that serves no users.
///
/// The console of a server that is upgraded merely is the old one until deployment has reached it, so
/// that it may show the past. It comes before those of the untouched: it becomes a new one, and where
/// no other is, nothing else would ever tell so.
fn ranked(layout: &Layout, progress: &Progress) -> impl Iterator<Item = (u8, ServerIx)> {
    layout.front_ends().filter_map(|server| {
        let record = &progress.servers[server];
        let updating = layout.servers[server].half == Some(Half::Updating);
        let rank = match (record.proven.is_some(), record.upgraded.is_some(), record.touched) {
            (true, _, _) => 0,
            // The target's build, whatever its services do.
            (false, _, true) if has_console_of_target(record) => 1,
            (false, true, _) => 2,
            (false, false, false) if updating => 3,
            (false, false, false) => 4,
            (false, false, true) => return None,
        };
        (!record.left_out).then_some((rank, server))
    })
}

/// Its Service Center was installed for the target version, or deployed to it. Whoever was proven once
/// was deployed to: that it starts again takes no console back.
fn has_console_of_target(record: &ServerProgress) -> bool {
    record.jobs_done.contains(&JobKind::ServiceCenterInstall)
        || record.deployed_ms.is_some()
        || record.proven_once
}

/// Somebody has a console that is known to be of the new version.
pub(super) fn has_new_console(layout: &Layout, progress: &Progress) -> bool {
    ranked(layout, progress).any(|(rank, _)| rank <= NEW_RANK_MAX)
}

/// What a console shows of a server whose software is about to change or has been changed is so. On the
/// new database an old one may show the past, in which that server was enabled and deployed to: once a
/// new one is known, it alone tells, and is waited for while it fails.
#[must_use]
pub fn tells(layout: &Layout, progress: &Progress, via: ServerIx) -> bool {
    tellers(layout, progress).any(|server| server == via)
}

/// The consoles that tell of everybody: those of the new version, or all that may be believed where
/// none is known.
pub(super) fn tellers(layout: &Layout, progress: &Progress) -> impl Iterator<Item = ServerIx> {
    let rank_max = if has_new_console(layout, progress) { NEW_RANK_MAX } else { u8::MAX };
    ranked(layout, progress).filter(move |(rank, _)| *rank <= rank_max).map(|(_, server)| server)
}

/// The console to ask now: the best that has not failed lately, else the one whose failure is
/// longest ago.
#[must_use]
pub fn console_for(layout: &Layout, progress: &Progress, view: &View) -> Option<ServerIx> {
    if view.login_refused.is_some() {
        return None;
    }
    let rested = ranked(layout, progress).filter(|(rank, server)| {
        let new = *rank <= NEW_RANK_MAX;
        has_rested(
            view,
            *server,
            if new { FAILED_NEW_CONSOLE_REST_MS } else { FAILED_CONSOLE_REST_MS },
        )
    });
    // New before old, that may show the past; of these who answers before who failed when asked last.
    let best = rested.min_by_key(|&(rank, server)| {
        let seen = &view.servers[server];
        let failed_ms = seen.console_failing_since_ms.and(seen.console_failed_ms);
        // For good, until it shows one: asked anew it would show the past again, and be believed.
        let in_vain =
            seen.console_in_vain.is_some_and(|it| it.since_ms + SHOWS_NO_CHANGE_MS < it.last_ms);
        let doubted = showed_nothing(progress, server);
        (rank > NEW_RANK_MAX, in_vain || doubted, failed_ms, rank, server)
    });
    if let Some((_, best)) = best {
        return Some(best);
    }
    let longest_ago = ranked(layout, progress).min_by_key(|&(rank, server)| {
        (view.servers[server].console_failed_ms.unwrap_or(0), rank, server)
    });
    longest_ago.map(|(_, server)| server)
}

/// On the way back what a flag shows is the end of it: another console is asked than one that showed
/// nothing of a change, and may have shown an old page from before its clock was seen to run.
fn showed_nothing(progress: &Progress, console: ServerIx) -> bool {
    let of = |it: &ServerProgress| {
        it.flag_unclear.as_ref().is_some_and(|unclear| unclear.showed_nothing.contains(&console))
    };
    progress.direction == Direction::Aborting && progress.servers.iter().any(of)
}

/// There are consoles that tell of everybody, and each of them failed when it was asked last.
#[must_use]
pub fn consoles_are_silent(layout: &Layout, progress: &Progress, view: &View) -> bool {
    let mut tellers = tellers(layout, progress).peekable();
    tellers.peek().is_some()
        && tellers.all(|server| view.servers[server].console_failing_since_ms.is_some())
}

/// A console has not failed, or its failure is long enough ago to ask it again.
#[must_use]
pub fn console_has_rested(view: &View, server: ServerIx) -> bool {
    has_rested(view, server, FAILED_CONSOLE_REST_MS)
}

fn has_rested(view: &View, server: ServerIx, rest_ms: u64) -> bool {
    let seen = &view.servers[server];
    // What failed before its host came back says nothing of now.
    let failed_ms = seen.console_failed_ms.filter(|failed_ms| *failed_ms >= seen.host_back_ms);
    failed_ms.is_none_or(|failed_ms| failed_ms + rest_ms < view.now_ms)
}
