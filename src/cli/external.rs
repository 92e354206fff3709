//! `evenkeel NAME …`: runs `evenkeel-NAME …`, or `evenkeel-sim NAME …`, as git and cargo do.
use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Exit, complain};

/// Runs the program that carries a subcommand out that is not ours.
pub(crate) fn run(argv: &[OsString]) -> Exit {
    let Some((name, rest)) = argv.split_first() else {
        complain("evenkeel: no subcommand given; `evenkeel --help` lists them");
        return Exit::WrongUse;
    };
    let mut own = OsString::from("evenkeel-");
    own.push(name);
    let (program, arguments) = match (find(&own), find(OsStr::new("evenkeel-sim"))) {
        (Some(program), _) => (program, rest),
        (None, Some(program)) => (program, argv),
        (None, None) => {
            complain(&format!(
                "evenkeel: `{0}` is no subcommand, and there is no `evenkeel-{0}` or \
                 `evenkeel-sim` beside this program or in PATH.\n\
                 `evenkeel --help` lists the subcommands; rehearsals need `evenkeel-sim`.",
                name.to_string_lossy()
            ));
            return Exit::WrongUse;
        }
    };
    match Command::new(&program).args(arguments).status() {
        // A program ended by a signal leaves no code: it failed.
        Ok(status) => Exit::Other(
            status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(Exit::Failed.code()),
        ),
        Err(error) => {
            complain(&format!("evenkeel: {} cannot be run: {error}", program.display()));
            Exit::Failed
        }
    }
}

/// Looks for a program beside this one, then in PATH.
fn find(program: &OsStr) -> Option<PathBuf> {
    // A name with a separator would leave the folders that are searched.
    if Path::new(program).components().count() != 1 {
        return None;
    }
    let beside = env::current_exe().ok().and_then(|own| own.parent().map(Path::to_path_buf));
    let path = env::var_os("PATH").unwrap_or_default();
    beside
        .into_iter()
        .chain(env::split_paths(&path))
        .map(|folder| {
            let mut file = folder.join(program).into_os_string();
            file.push(env::consts::EXE_SUFFIX);
            PathBuf::from(file)
        })
        .find(|candidate| candidate.is_file())
}
