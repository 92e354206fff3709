//! From a farm file's text to a farm and its mistakes: the file's top level.
use std::ops::Range;

use toml::de::DeTable;

use super::mistake::Mistake;
use super::walk::{Table, Walk};
use super::{Farm, Stack, Version, check, read_load, read_parts, read_policy};

/// The farm (when every part could at least be stood in for), mistakes, places of secrets.
pub(super) fn document(text: &str) -> (Option<Farm>, Vec<Mistake>, Vec<Range<usize>>) {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut walk = Walk::default();
    for error in &errors {
        syntax(&mut walk, text, error);
    }
    let broken: Vec<Range<usize>> =
        walk.mistakes.iter().filter_map(|mistake| mistake.span.clone()).collect();
    let root = walk.table(document.get_ref(), 0..0, "", "the farm file");
    let farm = farm(root);
    if !walk.torn {
        check::whole(&farm, &mut walk);
    }
    // What is not TOML is one mistake, not also one of its type or value.
    let mut mistakes = walk.mistakes.split_off(broken.len());
    mistakes.retain(|mistake| {
        let overlaps = |span: &Range<usize>| {
            broken.iter().any(|place| span.start < place.end && place.start < span.end)
        };
        !mistake.span.as_ref().is_some_and(overlaps)
    });
    walk.mistakes.append(&mut mistakes);
    (Some(farm), walk.mistakes, walk.masked)
}

/// A mistake of TOML itself.
fn syntax(walk: &mut Walk, text: &str, error: &toml::de::Error) {
    let span = error.span().unwrap_or(0..0);
    let line_start = text[..span.start].rfind('\n').map_or(0, |end| end + 1);
    if error.message() == "duplicate key" {
        let key = text[span.clone()].to_owned();
        // A table given twice is lost in part; a key given twice keeps its first value.
        walk.torn |= text[line_start..].trim_start().starts_with('[');
        let message = format!("`{key}` is given twice");
        walk.mistakes.push(Mistake::at(span, message, "keep one of the two"));
        return;
    }
    walk.torn = true;
    let help = "mend this line first: what it hides is checked then (TOML: https://toml.io)";
    // The parser takes a bare word for a boolean or a number that went wrong.
    let bare = text[span.clone()].starts_with(|c: char| c.is_alphabetic());
    let message = match error.message() {
        message if bare && !message.starts_with("duplicate") => {
            "this is not TOML: a text wants quotes, as in \"text\"".to_owned()
        }
        message => format!("this is not TOML: {message}"),
    };
    walk.mistakes.push(Mistake::at(span, message, help));
}

fn farm(mut t: Table<'_, '_>) -> Farm {
    let stack = [("dotnet", Stack::Dotnet), ("j2ee", Stack::J2ee)];
    let stack_meaning = "the application stack, `dotnet` or `j2ee`";
    let farm = Farm {
        name: read_parts::farm_name(&mut t),
        stack: t.choice("stack", &stack, stack_meaning).unwrap_or(Stack::Dotnet),
        version_from: version(&mut t, "version_from", "the version every server runs now"),
        version_to: version(&mut t, "version_to", "the version every server shall run"),
        controller: t
            .text(
                "controller",
                "the deployment controller: a front-end's name, or the pure controller's",
            )
            .into(),
        pure_controller: read_parts::pure_controller(&mut t),
        zones: t.tables("zone", true, "a deployment zone", read_parts::zone),
        front_ends: t.tables("front_end", true, "a front-end", read_parts::front_end),
        balancers: t.tables("balancer", true, "a balancer process", read_parts::balancer),
        pools: t.tables("pool", true, "a pool of the balancer", read_parts::pool),
        tests: t.tables("test", false, "an application test", read_parts::test),
        service_center: read_parts::service_center(&mut t),
        host: read_parts::host(&mut t),
        policy: t
            .opt_table("policy", "policy", "times, limits and choices")
            .map_or_else(Default::default, read_policy::policy),
        load: t.opt_table("load", "load", "the load over a day").map(read_load::load),
    };
    t.end();
    farm
}

/// A version; all zeros stand in for one that is missing or none.
fn version(t: &mut Table<'_, '_>, key: &'static str, meaning: &str) -> Version {
    let text = t.text(key, meaning);
    let parsed: Result<Version, String> = text.parse();
    if let (Err(why), false) = (&parsed, text.is_empty()) {
        let path = t.path(key);
        t.walk.wrong(
            &path,
            why.to_string(),
            format!("`{key}` is {meaning}, such as `11.23.0.12345`"),
        );
    }
    parsed.unwrap_or_else(|_| "0.0".parse().expect("0.0 is a version"))
}
