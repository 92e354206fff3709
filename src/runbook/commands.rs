//! The farm's command templates, filled in for people.
use crate::farm::Farm;
use crate::names::ServerName;
use crate::procedure::action::JobKind;

/// A verb's template, filled in for a server, as a shell's line. `kind` is a job's.
pub(super) fn line(
    farm: &Farm,
    verb: &[String],
    server: &ServerName,
    kind: Option<JobKind>,
) -> String {
    let kind = kind.map_or("", JobKind::as_str);
    let job = format!("by-hand-{server}-{kind}");
    let filled = |argument: &String| {
        argument
            .replace("{server}", server.as_str())
            .replace("{address}", address(farm, server))
            .replace("{job}", &job)
            .replace("{kind}", kind)
            .replace("{version}", &farm.version_to.to_string())
    };
    verb.iter().map(|argument| quoted(&filled(argument))).collect::<Vec<_>>().join(" ")
}

/// A server's own address.
pub(super) fn address<'f>(farm: &'f Farm, server: &ServerName) -> &'f str {
    let front_end = farm.front_ends.iter().find(|front_end| front_end.name == *server);
    match (front_end, &farm.pure_controller) {
        (Some(front_end), _) => &front_end.address,
        (None, Some(controller)) => &controller.address,
        (None, None) => "",
    }
}

/// An argument as a POSIX shell takes it.
pub(super) fn quoted(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./-_".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        argument.to_owned()
    } else {
        format!("'{}'", argument.replace('\'', "'\\''"))
    }
}
